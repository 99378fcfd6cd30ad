"""Waiting for several things at once."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from latchwork import _core
from latchwork.primitives import Event, Latch, Lock, RLock, Semaphore

PRIMITIVES = (Event, Latch, Lock, RLock, Semaphore)  # a BoundedSemaphore is a Semaphore


class HasFileno(Protocol):
    """A connection, a socket, an open file."""

    def fileno(self) -> int: ...


Waitable = Event | Latch | Lock | RLock | Semaphore | HasFileno | int
T = TypeVar("T", bound=Waitable)


def _file_descriptor(item: object) -> int:
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    fileno = getattr(item, "fileno", None)
    if fileno is None:
        raise TypeError(
            "wait() takes Events, Latches, Locks, RLocks, semaphores, file descriptors and what has a "
            f"fileno(), not {type(item).__name__}"
        )
    return int(fileno())


def wait(primitives: Iterable[T], timeout: float | None = None) -> list[T]:
    """Wait until at least one of several is ready, and return those that are, in their order.

    Ready is an Event that is set, a Latch at zero, a Lock or RLock that could be acquired, a Semaphore or
    BoundedSemaphore with a permit to be had. Nothing is taken: another process may be quicker, so
    acquire with ``block=False``. File descriptors, connections, sockets and the ``sentinel`` of a
    process may be in the list as well, and are ready when they can be read, as for
    ``multiprocessing.connection.wait``.

    ``timeout`` is in seconds; None: for ever; zero or less: only look. The list is empty when it ran out,
    and at once if there was nothing to wait for. Signal handlers run during the wait; an exception that
    one raises ends it. An Event counts as for its ``wait()``: also if it was set during the wait and
    cleared at once. A Lock whose owner dies is ready.

    It sleeps in the kernel on all at once: ``futex_waitv`` takes 128 words; for each 127 more, and if
    there are file descriptors, a helper thread sleeps for as long as the call lasts. Where the kernel
    lacks ``futex_waitv`` (before 5.16, or forbidden by a sandbox) it looks a hundred times a second.

    TypeError for anything else; OSError for a file descriptor that is not open; ``GoneError``.
    """
    items = list(primitives)
    ours: list[object] = [item for item in items if isinstance(item, PRIMITIVES)]
    files = [_file_descriptor(item) for item in items if not isinstance(item, PRIMITIVES)]
    if not items:
        return []
    flags = _core.wait_any(ours, files, timeout)
    of_ours, of_files = iter(flags[: len(ours)]), iter(flags[len(ours) :])
    return [item for item in items if next(of_ours if isinstance(item, PRIMITIVES) else of_files)]
