"""Lock: mutual exclusion between processes."""

from typing import ClassVar

from latchwork import _core, awaiting
from latchwork.primitives._held import Held
from latchwork.primitives._semlock import SemLock


class Lock(Held, _core.Lock):
    """A lock between processes, as ``multiprocessing.Lock``, that outlives its owner's death.

    ``name`` (up to 200 characters, no slash) makes it the one that any other process of the same user
    gets by that name; ``namespace`` keeps names apart. Without a name it is a new one, except at the top
    level of a module: there it is the same object in every process of the program that runs the module.
    It may be pickled to any process of the same user.

    Promised: one process at a time holds it. Its owner is a process: any thread of any process may
    release it, and threads exclude each other as processes do. When the owner dies, however, a waiter
    gets it at once, with ``abandoned`` true and a warning logged on the logger ``latchwork``. No waiter
    starves: one that has waited a millisecond is handed the lock.

    Not promised: strict first come, first served; that what it guards is whole after a death; anything
    about processes on other machines.

    In a coroutine: ``async with lock:`` and ``acquire_async()``.

    A named Lock that is free and that nobody has is forgotten; ``unlink()`` takes its name away at once.

    Raises ``InvalidNameError``, ``KindError``, ``NoRoomError``, ``UnsafeDirectoryError``,
    ``CorruptError`` or ``VersionError`` (all of them ``LatchworkError``) if it can't be made or found.
    """

    __slots__ = ("__weakref__",)
    kind: ClassVar[str] = "Lock"

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """Acquire the lock in a coroutine; True if it is now held by this process.

        As ``acquire()``, but it lets the event loop run while it waits: ``timeout`` is in seconds, None
        waits for ever, and zero or less tries once. Tasks of this process get it in the order in which
        they came. A lock that is free is had at once, without giving way to other tasks.

        Cancelled, at whatever moment, it holds nothing, and what had been granted goes to the next.
        RuntimeError outside of a running event loop, if it must wait.
        """
        timeout = awaiting.seconds(timeout)
        if self._take_now():
            return True
        return bool(await awaiting.park(_core.Wait(self), timeout))

    async def _enter_async(self) -> None:
        await awaiting.park(_core.Wait(self), None)

    @property
    def _semlock(self) -> SemLock:
        return SemLock(
            is_mine=self._is_mine,
            count=lambda: int(self._is_mine()),
            value=lambda: int(not self.locked()),
        )


_core.own_methods(Lock)
