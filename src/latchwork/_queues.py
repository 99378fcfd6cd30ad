"""multiprocessing's Queue and JoinableQueue, whose bound is a count that nobody owns."""

import multiprocessing.queues as std
from typing import TYPE_CHECKING, Any

from latchwork.primitives import BoundedSemaphore

if TYPE_CHECKING:
    _Queue = std.Queue[Any]
    _JoinableQueue = std.JoinableQueue[Any]
else:
    _Queue, _JoinableQueue = std.Queue, std.JoinableQueue


class _ForQueues:
    """A context whose BoundedSemaphore is a plain count.

    What one process puts another one takes: so a slot of the queue does not come back when the one that
    filled it has ended, as the permits of a pool do.
    """

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    def BoundedSemaphore(self, value: int = 1) -> BoundedSemaphore:
        return BoundedSemaphore(value, owned=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


class Queue(_Queue):
    """As ``multiprocessing.Queue``, on Latchwork's locks.

    A process that is killed while it puts or gets does not hang the others for want of a lock. What
    was in its buffer is lost, and if it was killed in the middle of writing a message to the pipe, the
    rest of the stream is garbled for the readers, as in multiprocessing: a pipe can't be repaired.
    """

    def __init__(self, maxsize: int = 0, *, ctx: Any) -> None:
        super().__init__(maxsize, ctx=_ForQueues(ctx))


class JoinableQueue(_JoinableQueue):
    """As ``multiprocessing.JoinableQueue``, on Latchwork's locks: see ``Queue``."""

    def __init__(self, maxsize: int = 0, *, ctx: Any) -> None:
        super().__init__(maxsize, ctx=_ForQueues(ctx))
