"""Condition: wait until somebody says that something has changed."""

import sys
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from latchwork import _core, awaiting, sites
from latchwork.awaiting.chains import chain
from latchwork.primitives._primitive import Primitive
from latchwork.primitives._semlock import Count
from latchwork.primitives.lock import Lock
from latchwork.primitives.rlock import RLock

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics
    from latchwork.settings import Deadlock

Self = TypeVar("Self", bound="Condition")
T = TypeVar("T")


class Condition(Primitive, _core.Condition):
    """A condition variable between processes, as ``multiprocessing.Condition``.

    ``lock`` is a ``Lock`` or ``RLock`` of Latchwork's; None: an RLock of its own. ``name`` and
    ``namespace`` as for ``Lock`` (its own RLock is then shared by that name as well; one that is
    handed in must be the same everywhere); at the top level of a module it is one object in the
    whole program; it may be pickled to
    any process of the same user.

    Promised: notifying never waits for the notified, and a dead one costs nothing; who waits is woken in
    order; one that dies after it was chosen and before its ``wait()`` returned does not swallow the
    notification: another one is woken. ``wait()`` comes back with the lock held, also by an exception.

    Not promised: that ``wait()`` returns only when notified: it may wake up for nothing, so look at what
    you wait for (``wait_for`` does).

    A lock that is not Latchwork's can be acquired and released through it, as in multiprocessing, but
    not waited with (TypeError). Raises TypeError for what is no lock, and what ``Lock`` does if it can't
    be made or found.
    """

    __slots__ = ("__weakref__", "_lost")
    kind: ClassVar[str] = "Condition"
    _lost: set[
        FrameType
    ]  # coroutines that were closed in a wait, and so did not come back with the lock

    def __new__(
        cls: type[Self],
        lock: Lock | RLock | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        frame = sys._getframe(1)
        return cls._made(frame, lock, name=name, namespace=namespace, deadlock=deadlock)

    @classmethod
    def _made(
        cls: type[Self],
        frame: FrameType,
        lock: Lock | RLock | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        if deadlock is not None and lock is not None:
            raise ValueError("deadlock= is for the lock that is made for it: give it to yours")
        if name is None and lock is None:
            lock = RLock._made(frame, deadlock=deadlock)
        self = cls._sited(frame, () if lock is None else (lock,), name, namespace)
        if lock is None:
            self._use(RLock(name=self._name_of_lock(), namespace=namespace, deadlock=deadlock))
        return self

    def _name_of_lock(self) -> str:
        return sites.lock_of(self._place)

    def unlink(self) -> None:
        """Take its name away: the next one to ask for that name gets a new one, with a new lock.

        Those who have this one keep it, and its lock. ValueError if it has no name (any more).
        """
        super().unlink()
        lock: Any = self._lock
        if lock.name == self._name_of_lock():
            lock.unlink()

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until ``predicate()`` is true, and return what it returned last.

        ``timeout`` is in seconds, for the whole; None: for ever. The predicate is called with the lock
        held.
        """
        result = predicate()
        if result or timeout is None:
            while not result:
                self.wait()
                result = predicate()
            return result
        end = time.monotonic() + timeout
        while not result:
            left = end - time.monotonic()
            if left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """Acquire its lock in a coroutine: see there."""
        return bool(await self._own_lock().acquire_async(timeout))

    async def __aenter__(self) -> None:
        await self._own_lock().acquire_async()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if not (isinstance(exc_value, GeneratorExit) and self._came_not_back(sys._getframe(1))):
            self.release()

    def _own_lock(self) -> Lock | RLock:
        lock: Any = self._lock
        if not isinstance(lock, Lock | RLock):
            raise TypeError(
                f"to be awaited it needs a Lock or RLock of Latchwork, not {type(lock)!r}"
            )
        return lock

    async def wait_async(self, timeout: float | None = None) -> bool:
        """Release the lock, wait in a coroutine to be notified, and get the lock back.

        False only when ``timeout`` (seconds; None: for ever) ran out. Cancelled, at whatever moment, it
        comes back with the lock held as well, and a notification that it had got goes to another one.
        It may wake up without a notification. AssertionError without the lock (an RLock: as this task's).

        Only a coroutine that is closed while it waits here, as when its event loop has ended, may
        come back without the lock; ``async with`` knows of that.
        """
        lock = self._own_lock()
        timeout = awaiting.seconds(timeout)
        awaiting.check()
        who = _core.number_of_task() if isinstance(lock, RLock) else 0
        wait, depth = self._begin_wait(who)

        def again() -> _core.Wait:
            return _core.Wait(lock, who=who, depth=depth or 1)

        waiting = chain(sys._getframe(1))
        try:
            try:
                chosen = bool(await awaiting.park(wait, timeout))
            except GeneratorExit:
                raise
            except BaseException:
                await awaiting.insist(again)
                raise
            cancelled = await awaiting.insist(again)
        except GeneratorExit:
            # The garbage collector closes each coroutine by itself, the outer ones after this one.
            self._lost = getattr(self, "_lost", set()) | waiting
            raise
        if cancelled is not None:
            wait.leave()
            raise cancelled
        wait.settle()
        return chosen

    def _came_not_back(self, frame: FrameType) -> bool:
        lost: set[FrameType] = getattr(self, "_lost", set()) & chain(frame)
        if lost:
            self._lost -= lost
        return bool(lost)

    async def wait_for_async(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait in a coroutine until ``predicate()`` is true, and return what it returned last.

        ``timeout`` is in seconds, for the whole; None: for ever. The predicate (an ordinary function) is
        called with the lock held.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            await self.wait_async(left)
        return result

    # What multiprocessing's has inside, and CPython's tests of it look at.

    @property
    def _sleeping_count(self) -> Count:
        return Count(self._waiting)

    @property
    def _woken_count(self) -> Count:
        return Count()

    @property
    def _wait_semaphore(self) -> Count:
        return Count()

    def _how_made(self) -> tuple[object, ...]:
        return (self._lock,)

    def _shown(self, seen: "Statistics") -> str:
        return f"{self._waiting()} waiting, {self._lock!r}"

    def _waited_for(self, seen: "Statistics") -> str:
        return ""


_core.own_methods(Condition)
