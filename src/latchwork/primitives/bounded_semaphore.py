"""BoundedSemaphore: a pool of permits, which belong to the processes that hold them."""

import sys
from typing import TYPE_CHECKING, ClassVar, TypeVar

from latchwork import _core
from latchwork.primitives.semaphore import Semaphore

if TYPE_CHECKING:
    from latchwork.settings import Deadlock

Self = TypeVar("Self", bound="BoundedSemaphore")


class BoundedSemaphore(Semaphore):
    """A pool of ``value`` permits, as ``multiprocessing.BoundedSemaphore``.

    A permit belongs to the process that acquired it, and comes back when that dies, however it dies: at
    once, if somebody waits, who is then told by a warning on the logger ``latchwork``. Permits are had in
    order, first come, first served (the tasks of a process are one waiter to the others). Any process may
    release, as in multiprocessing: its own permits first, then one that came back from the dead, then
    another's. ValueError if that would make more than ``value``.

    So a permit that is taken by one process to be released by another comes back early if the first one
    ends before: for that, or to be faster than fair, use ``owned=False``, which is exactly
    multiprocessing's: a count, whose permits belong to nobody and die with who took them.

    Arguments and errors are otherwise as for ``Semaphore``.
    """

    __slots__ = ()
    kind: ClassVar[str] = "BoundedSemaphore"
    bounded: ClassVar[bool] = True

    def __new__(
        cls: type[Self],
        value: int = 1,
        *,
        owned: bool = True,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        return cls._made(
            sys._getframe(1), value, owned=owned, name=name, namespace=namespace, deadlock=deadlock
        )


_core.own_methods(BoundedSemaphore)
