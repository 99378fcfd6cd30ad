"""Semaphore: a number of permits, taken and given by processes."""

import sys
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from latchwork import _core, awaiting
from latchwork.primitives._arguments import check_number, check_same
from latchwork.primitives._held import Held
from latchwork.primitives._semlock import SemLock

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics
    from latchwork.settings import Deadlock

VALUE_MAX = 2**31 - 1  # as multiprocessing's, where the system's SEM_VALUE_MAX is that

Self = TypeVar("Self", bound="Semaphore")


class Semaphore(Held, _core.Semaphore):
    """A counting semaphore between processes, as ``multiprocessing.Semaphore``.

    ``value`` is how many permits there are at first, 0 to 2**31 - 1. ``name`` and ``namespace`` as for
    ``Lock``; at the top level of a module it is one object in the whole program; it may be pickled to
    any process of the same user.

    Nobody owns its permits: any process may release, as often as it likes (people signal with it). So
    the permits that a killed process had taken stay taken, unless it was made with ``owned=True``: then
    a permit belongs to the process that acquired it, comes back when that dies, however it dies, and only
    an owner may release (ValueError else). An owned one is had in order, first come, first served; one
    that is not is had by whoever is first when a permit is given.

    In a coroutine: ``async with semaphore:`` and ``acquire_async()``. The tasks of a process are one
    waiter to the others: it goes to the end again after each permit.

    A named one whose value differs from that of a new one keeps it when all who had it have ended, until
    it is ``unlink()``\\ ed or the machine restarts. (Owned permits have then come back.)

    Raises ValueError for a value out of range, ``ConflictError`` if one of that name was made with
    another value, and what ``Lock`` does if it can't be made or found.
    """

    __slots__ = ("__weakref__",)
    kind: ClassVar[str] = "Semaphore"
    bounded: ClassVar[bool] = False

    def __new__(
        cls: type[Self],
        value: int = 1,
        *,
        owned: bool = False,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        return cls._made(
            sys._getframe(1), value, owned=owned, name=name, namespace=namespace, deadlock=deadlock
        )

    @classmethod
    def _made(
        cls: type[Self],
        frame: FrameType,
        value: int = 1,
        *,
        owned: bool = False,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        value = check_number(value, "value", 0, VALUE_MAX)
        made = (value, cls.bounded, bool(owned))
        self = cls._wishing(deadlock, frame, made, name, namespace)
        if name is not None:
            check_same(cls.kind, name, "value", self._initial, value)
            check_same(cls.kind, name, "bounded", self._bounded, cls.bounded)
        return self

    def _how_made(self) -> tuple[object, ...]:
        return self._initial, self._bounded, self.owned

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """Take a permit in a coroutine; True if one was had.

        ``timeout`` (seconds), order and cancellation are as for ``Lock.acquire_async``.
        """
        timeout = awaiting.seconds(timeout)
        if self._take_now():
            return True
        return bool(await awaiting.park(_core.Wait(self), timeout))

    async def _enter_async(self) -> None:
        await awaiting.park(_core.Wait(self), None)

    @property
    def _semlock(self) -> SemLock:
        return SemLock(value=self.get_value)

    def _shown(self, seen: "Statistics") -> str:
        return f"{seen.value} of {self._initial} free"


_core.own_methods(Semaphore)
