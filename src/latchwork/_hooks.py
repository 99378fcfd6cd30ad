"""What the C core calls."""

from typing import Any


def _warn(text: str, *facts: object) -> None:
    # Not imported before it is needed: `latchwork run` is to start at once.
    import logging

    logging.getLogger("latchwork").warning(text, *facts)


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
