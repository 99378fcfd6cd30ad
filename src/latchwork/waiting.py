"""Waiting for several things at once."""

import errno
import select
from collections.abc import Iterable
from typing import Protocol, TypeVar

from latchwork import _core, awaiting
from latchwork.primitives import Event, Latch, Lock, RLock, Semaphore

PRIMITIVES = (Event, Latch, Lock, RLock, Semaphore)  # a BoundedSemaphore is a Semaphore


class HasFileno(Protocol):
    """A connection, a socket, an open file."""

    def fileno(self) -> int: ...


Waitable = Event | Latch | Lock | RLock | Semaphore | HasFileno | int
T = TypeVar("T", bound=Waitable)


def _file_descriptor(item: object) -> int:
    if isinstance(item, int) and not isinstance(item, bool):
        return _checked(item)
    fileno = getattr(item, "fileno", None)
    if fileno is None:
        raise TypeError(
            "wait() takes Events, Latches, Locks, RLocks, semaphores, file descriptors and what has a "
            f"fileno(), not {type(item).__name__}"
        )
    return _checked(int(fileno()))


def _checked(file: int) -> int:
    if 0 <= file < 2**31:
        return file
    raise OSError(errno.EBADF, f"file descriptor {file} is not open")


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
    ours, files = _apart(items)
    if not items:
        return []
    return _chosen(items, _core.wait_any(ours, files, timeout))


def _apart(items: list[T]) -> tuple[list[object], list[int]]:
    ours: list[object] = [item for item in items if isinstance(item, PRIMITIVES)]
    files = [_file_descriptor(item) for item in items if not isinstance(item, PRIMITIVES)]
    return ours, files


def _chosen(items: list[T], flags: list[bool]) -> list[T]:
    """Those of which the flags say so: first come the primitives' flags, then the files'."""
    of_ours = iter(flags)
    of_files = iter(flags[sum(isinstance(item, PRIMITIVES) for item in items) :])
    return [item for item in items if next(of_ours if isinstance(item, PRIMITIVES) else of_files)]


async def wait_async(primitives: Iterable[T], timeout: float | None = None) -> list[T]:
    """Wait in a coroutine until at least one of several is ready, and return those that are.

    As ``wait()``, but it lets the event loop run, and may be cancelled at any moment. (An RLock is
    ready if this task could acquire it.) RuntimeError outside of a running event loop, if it must wait.
    """
    items = list(primitives)
    ours, files = _apart(items)
    if not items:
        return []
    timeout = awaiting.seconds(timeout)
    readable = _readable(files)
    if any(readable):
        timeout = 0
    who = _core.number_of_task() if any(isinstance(item, RLock) for item in ours) else 0
    flags = await awaiting.park(_core.Wait(ours, who=who), timeout, files)
    return _chosen(items, flags + _readable(files))


def _readable(files: list[int]) -> list[bool]:
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    ready = dict(poll.poll(0)) if files else {}
    for file, events in ready.items():
        if events & select.POLLNVAL:
            raise OSError(errno.EBADF, f"file descriptor {file} is not open")
    return [file in ready for file in files]
