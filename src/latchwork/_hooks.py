"""What the C core calls."""

import logging
from typing import Any

logger = logging.getLogger("latchwork")


def abandoned(lock: Any, pid: int) -> None:
    """Log that the lock was taken over from a process that died with it."""
    whom = f"process {pid}" if pid else "a process that is gone"
    logger.warning(
        "%r: %s died while it held this lock; what the lock guards may be half done", lock, whom
    )
