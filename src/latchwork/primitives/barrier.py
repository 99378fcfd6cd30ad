"""Barrier: processes wait for each other."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from latchwork import _core, awaiting
from latchwork.primitives._arguments import check_number, check_same
from latchwork.primitives._primitive import Primitive

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics

PARTIES_MAX = 2**31 - 1

Self = TypeVar("Self", bound="Barrier")


class Barrier(Primitive, _core.Barrier):
    """A meeting point of ``parties`` threads of any processes, as ``multiprocessing.Barrier``.

    ``action`` is called by the one that comes last, before all go on; ``timeout`` (seconds; None: for
    ever) is what ``wait()`` takes if it is given none. Both belong to this object and its pickles, not
    to the name. ``name`` and ``namespace`` as for ``Lock``; at the top level of a module it is one
    object in the whole program; it may be pickled to any process of the same user (the action,
    too, if it can be).

    Promised: a process that is killed while it waits, or while it runs the action, breaks the barrier for
    all that are in it: they get ``BrokenBarrierError`` (``threading``'s), mostly at once, and a second
    later at worst. One that has waited less than a millisecond is among the latter. Who comes later gets
    it, too, until ``reset()``.

    A named one that is broken stays so when all who had it have ended, until ``reset()``, ``unlink()`` or
    a restart of the machine.

    Raises ValueError for less than one party, ``ConflictError`` if one of that name was made with other
    parties, and what ``Lock`` does if it can't be made or found.
    """

    __slots__ = ("__weakref__", "_action", "_timeout")
    kind: ClassVar[str] = "Barrier"
    _action: Callable[[], object] | None
    _timeout: float | None

    def __new__(
        cls: type[Self],
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
    ) -> Self:
        frame = sys._getframe(1)
        return cls._made(frame, parties, action, timeout, name=name, namespace=namespace)

    @classmethod
    def _made(  # type: ignore[override]
        cls: type[Self],
        frame: FrameType,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
    ) -> Self:
        parties = check_number(parties, "parties", 1, PARTIES_MAX)
        if action is not None and not callable(action):
            raise TypeError(f"action must be callable or None, not {type(action).__name__}")
        self = cls._sited(frame, (parties,), name, namespace)
        if name is not None:
            check_same(cls.kind, name, "parties", self.parties, parties)
        self._action, self._timeout = action, timeout
        return self

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others; return which one this was, 0 to ``parties`` - 1 (that came last).

        ``BrokenBarrierError`` if the barrier is or gets broken: by ``abort()``, ``reset()``, a death, an
        exception in the action (which the one that ran it gets), or when ``timeout`` (seconds; None: that
        of the barrier) runs out for anybody. An exception that a signal handler raises ends this wait and
        breaks nothing.
        """
        return self._arrive(self._timeout if timeout is None else timeout, self._action)

    async def wait_async(self, timeout: float | None = None) -> int:
        """Wait for the others in a coroutine; which one this was, 0 to ``parties`` - 1 (that came last).

        As ``wait()``, but it lets the event loop run. (The action, an ordinary function, is called in it,
        if this one comes last.) Cancelled, it leaves the barrier and does not break it.
        """
        timeout = awaiting.seconds(self._timeout if timeout is None else timeout)
        index: int = await awaiting.park(_core.Wait(self, action=self._action), timeout)
        return index

    def _how_made(self) -> tuple[object, ...]:
        return (self.parties,)

    def __reduce__(self) -> Any:
        return (*super().__reduce__(), (self._action, self._timeout))

    def __setstate__(self, state: tuple[Callable[[], object] | None, float | None]) -> None:
        self._action, self._timeout = state

    def _shown(self, seen: "Statistics") -> str:
        return "broken" if seen.state == "broken" else f"{seen.value} of {seen.limit} waiting"

    def _waited_for(self, seen: "Statistics") -> str:
        return ""


_core.own_methods(Barrier)
