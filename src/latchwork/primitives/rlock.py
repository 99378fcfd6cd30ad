"""RLock: a lock that the thread which has it may take again."""

from typing import ClassVar

from latchwork import _core, awaiting
from latchwork.primitives._held import Held
from latchwork.primitives._semlock import SemLock


class RLock(Held, _core.RLock):
    """A recursive lock between processes, as ``multiprocessing.RLock``, that outlives its owner's death.

    ``name`` and ``namespace`` as for ``Lock``; at the top level of a module it is one object in the
    whole program; it may be pickled to any process of the same user.

    Promised: one thread of one process has it; that thread may acquire it again, and gives it back as
    often. ``release()`` by any other is an AssertionError. When the owner's process dies, the next one
    gets it at depth one, with ``abandoned`` true and a warning on the logger ``latchwork``.

    In a coroutine: ``async with rlock:`` and ``acquire_async()``; the owner is the task then.

    Not promised: anything when a *thread* or task ends that still has it (also a task whose coroutine is
    closed from outside, as when its loop was closed): as in multiprocessing, it stays taken until its
    process ends. A forked child does not have what its parent has.

    Raises what ``Lock`` does if it can't be made or found.
    """

    __slots__ = ("__weakref__",)
    kind: ClassVar[str] = "RLock"

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """Acquire the lock for this task, or one level more of it; True if this task now has it.

        The owner is the task that awaits this: no other task, and not the thread that the task runs in,
        may acquire it meanwhile or give it back. ``timeout`` (seconds), order and cancellation are as for
        ``Lock.acquire_async``. RuntimeError outside of a task.

        Before Python 3.12 ``asyncio.wait_for()`` awaits in a task of its own, which is the owner then:
        use ``timeout`` or ``asyncio.timeout()``.
        """
        timeout = awaiting.seconds(timeout)
        who = _core.number_of_task()
        if self._take_now(who):
            return True
        return bool(await awaiting.park(_core.Wait(self, who=who), timeout))

    async def _enter_async(self) -> None:
        await awaiting.park(_core.Wait(self, who=_core.number_of_task()), None)

    @property
    def _semlock(self) -> SemLock:
        return SemLock(is_mine=self._is_mine, count=self._count)

    def _is_owned(self) -> bool:
        return self._is_mine()

    def _recursion_count(self) -> int:
        return self._count()


_core.own_methods(RLock)
