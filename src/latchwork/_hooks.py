"""What the C core calls."""

import logging
from typing import Any

logger = logging.getLogger("latchwork")


def _whom(pid: int) -> str:
    return f"process {pid}" if pid else "a process that is gone"


def abandoned(lock: Any, pid: int, count: int) -> None:
    """Log that the lock was taken over from a process that died with it."""
    logger.warning(
        "%r: %s died while it held this lock; what the lock guards may be half done",
        lock,
        _whom(pid),
    )


def returned(semaphore: Any, pid: int, count: int) -> None:
    """Log that permits came back from a process that died with them."""
    logger.warning(
        "%r: %s died while it held %d of its permits; they have come back",
        semaphore,
        _whom(pid),
        count,
    )


def broke(barrier: Any, pid: int, count: int) -> None:
    """Log that a process that died in it broke the barrier."""
    logger.warning("%r: %s died in this barrier, which is broken by that", barrier, _whom(pid))
