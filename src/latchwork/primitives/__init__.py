"""The public classes, a file each."""

from latchwork.primitives.barrier import Barrier
from latchwork.primitives.bounded_semaphore import BoundedSemaphore
from latchwork.primitives.condition import Condition
from latchwork.primitives.event import Event
from latchwork.primitives.latch import Latch
from latchwork.primitives.lock import Lock
from latchwork.primitives.rlock import RLock
from latchwork.primitives.rwlock import RWLock
from latchwork.primitives.semaphore import Semaphore

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Latch",
    "Lock",
    "RLock",
    "RWLock",
    "Semaphore",
]
