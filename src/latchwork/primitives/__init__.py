"""The public classes, a file each."""

from latchwork.primitives.event import Event
from latchwork.primitives.lock import Lock

__all__ = ["Event", "Lock"]
