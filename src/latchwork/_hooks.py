"""What the C core calls."""

import sys
from typing import Any


def _warn(message: str, *about: object) -> None:
    try:
        import logging  # takes long, and nearly no process has anything to log
    except ImportError:
        return  # nothing can be imported any more when the interpreter ends

    logging.getLogger("latchwork").warning(message, *about)


def _whom(pid: int) -> str:
    return f"process {pid}" if pid else "a process that is gone"


def abandoned(lock: Any, pid: int, count: int) -> None:
    """Log that the lock was taken over from a process that died with it."""
    _warn(
        "%r: %s died while it held this lock; what the lock guards may be half done",
        lock,
        _whom(pid),
    )


def returned(semaphore: Any, pid: int, count: int) -> None:
    """Log that permits came back from a process that died with them."""
    _warn(
        "%r: %s died while it held %d of its permits; they have come back",
        semaphore,
        _whom(pid),
        count,
    )


def broke(barrier: Any, pid: int, count: int) -> None:
    """Log that a process that died in it broke the barrier."""
    _warn("%r: %s died in this barrier, which is broken by that", barrier, _whom(pid))


def whereabouts(room: int) -> bytes:
    """Say which thread this is and where in Python it waits, in so many bytes."""
    try:
        from latchwork.inspect.whereabouts import note
    except ImportError:
        return b""  # nothing can be imported any more when the interpreter ends
    return note(sys._getframe(1), room)


def look(primitive: Any, may_raise: bool, looks: int) -> int | Exception:
    """Look for a deadlock; return how many times ``look_after`` the next look may wait, or an error."""
    try:
        from latchwork.deadlocks import watch
    except ImportError:
        return 1
    from latchwork.errors import DeadlockError

    try:
        return watch.look(primitive, may_raise, looks)
    except DeadlockError as error:
        return error.with_traceback(None)
