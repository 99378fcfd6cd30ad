"""RWLock: many readers, or one writer."""

from typing import TYPE_CHECKING, ClassVar

from latchwork import _core, awaiting
from latchwork.primitives._held import Held

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics


class RWLock(Held, _core.RWLock):
    """A readers-writer lock between processes; multiprocessing has none.

    ``with rw.read():`` is had by many at a time, ``with rw.write():`` by one while nobody reads. ``name``
    and ``namespace`` as for ``Lock``; at the top level of a module it is one object in the whole
    program; it may be pickled to any process of the same user.

    Promised: neither side starves: a reader waits for one write at most, a writer for those that came
    before it and the reads between them. Owners are processes: any thread of it may release what
    one of it has acquired. What a process holds when it dies, however it dies, is released; if it was
    writing, ``abandoned`` is true until the next write is released, and a warning is logged on the logger
    ``latchwork``.

    In a coroutine: ``async with rw.read():``, ``acquire_read_async()`` and so on. The tasks of a process
    are one waiter to the others: it goes to the end again after each write.

    Not promised: that it may be taken twice by one process: a second ``write()`` in a ``write()`` or
    ``read()``, or a ``read()`` in a ``write()``, waits for ever, and a ``read()`` in a ``read()`` does
    if a writer came in between. There is no upgrade from read to write.

    Raises what ``Lock`` does if it can't be made or found.
    """

    __slots__ = ("__weakref__",)
    kind: ClassVar[str] = "RWLock"

    async def acquire_read_async(self, timeout: float | None = None) -> bool:
        """Acquire a read in a coroutine; True if it was had.

        ``timeout`` (seconds), order and cancellation are as for ``Lock.acquire_async``.
        """
        return await self._acquire_async(False, timeout)

    async def acquire_write_async(self, timeout: float | None = None) -> bool:
        """Acquire the write in a coroutine; True if it was had.

        ``timeout`` (seconds), order and cancellation are as for ``Lock.acquire_async``.
        """
        return await self._acquire_async(True, timeout)

    async def _acquire_async(self, write: bool, timeout: float | None) -> bool:
        timeout = awaiting.seconds(timeout)
        if self._take_now(write):
            return True
        return bool(await awaiting.park(_core.Wait(self, write=write), timeout))

    async def _hold_async(self, write: bool, timeout: float | None) -> None:
        if not await self._acquire_async(write, timeout):
            raise TimeoutError(f"could not be {'written' if write else 'read'} in time")

    def _shown(self, seen: "Statistics") -> str:
        if seen.owner is None:
            return "free"
        if seen.state == "write":
            return f"written by pid {seen.owner.pid} ({seen.owner.program})"
        return f"{sum(owner.count for owner in seen.owners)} reading"


_core.own_methods(RWLock)
