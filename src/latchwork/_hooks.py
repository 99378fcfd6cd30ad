"""What the C core calls."""

import os
import sys
import threading
from typing import Any

from latchwork.errors import DeadlockError, DeadlockWarning
from latchwork.passing import is_own

RARELY = 60_000


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


# No fork in the middle of an import: the child would wait for a thread that it has not.
importing = threading.RLock()
os.register_at_fork(
    before=importing.acquire,
    after_in_parent=importing.release,
    after_in_child=importing.release,
)


def whereabouts(room: int) -> bytes:
    """Say which thread this is and where in Python it waits, in so many bytes; none if it can't."""
    try:
        with importing:
            from latchwork.whereabouts import note
        return note(sys._getframe(1), room)
    except Exception as error:
        if is_own(error):
            return b""  # such as when the interpreter ends, and nothing can be imported any more
        raise


def look(primitive: Any, may_raise: bool, looks: int) -> tuple[int, Exception | None]:
    """Look for a deadlock: after how many milliseconds to look again, and an error.

    0: the wait ends with that error; else it is only to be shown, as the waiter has no part in it.
    """
    try:
        with importing:
            from latchwork.deadlocks import watch
        return watch.look(primitive, may_raise, looks), None
    except (DeadlockError, DeadlockWarning) as error:
        return 0, error.with_traceback(None)
    except ImportError:
        return RARELY, None  # when the interpreter ends
    except Exception as error:
        if is_own(error):
            return RARELY, error
        raise  # a signal handler's, or of what the program has made of warnings
