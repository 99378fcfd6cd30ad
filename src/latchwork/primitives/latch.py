"""Latch: many wait until a count has come down to zero."""

import sys
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from latchwork import _core, awaiting
from latchwork.primitives._arguments import check_number, check_same
from latchwork.primitives._primitive import Primitive

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics

COUNT_MAX = 2**31 - 1

Self = TypeVar("Self", bound="Latch")


class Latch(Primitive, _core.Latch):
    """A count that only goes down, as Java's ``CountDownLatch``; multiprocessing has none.

    ``count`` is 0 to 2**31 - 1: how often ``count_down()`` must be called until those in ``wait()`` go
    on, and nobody ever waits again. ``name`` and ``namespace`` as for ``Lock``; at the top level of a
    module it is one object in the whole program; it may be pickled to any process of the same user.

    Promised: ``count_down()`` never waits, and killed or stopped waiters cost nothing. Not promised:
    that a count which a killed process did not take down goes down by itself.

    A named one whose count has changed keeps it when all who had it have ended, until it is
    ``unlink()``\\ ed or the machine restarts.

    Raises ValueError for a count out of range, ``ConflictError`` if one of that name was made with
    another count, and what ``Lock`` does if it can't be made or found.
    """

    __slots__ = ("__weakref__",)
    kind: ClassVar[str] = "Latch"

    def __new__(
        cls: type[Self], count: int, *, name: str | None = None, namespace: str | None = None
    ) -> Self:
        return cls._made(sys._getframe(1), count, name=name, namespace=namespace)

    @classmethod
    def _made(  # type: ignore[override]
        cls: type[Self],
        frame: FrameType,
        count: int,
        *,
        name: str | None = None,
        namespace: str | None = None,
    ) -> Self:
        count = check_number(count, "count", 0, COUNT_MAX)
        self = cls._sited(frame, (count,), name, namespace)
        if name is not None:
            check_same(cls.kind, name, "count", self._initial, count)
        return self

    def _how_made(self) -> tuple[object, ...]:
        return (self._initial,)

    async def wait_async(self, timeout: float | None = None) -> bool:
        """Wait in a coroutine; True if the count came down to zero.

        As ``wait()``, but it lets the event loop run: ``timeout`` is in seconds, None waits for ever,
        and zero or less only looks. It may be cancelled at any moment. RuntimeError outside of a running
        event loop, if it must wait.
        """
        timeout = awaiting.seconds(timeout)
        if self.count == 0:
            return True
        return bool(await awaiting.park(_core.Wait(self), timeout))

    def _shown(self, seen: "Statistics") -> str:
        return f"{seen.value} of {seen.limit} to go"


_core.own_methods(Latch)
