"""What Latchwork raises and warns of beyond what ``multiprocessing`` does. Each says what to do."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latchwork.inspect.deadlock import Deadlock

__all__ = [
    "BrokenBarrierError",
    "ConflictError",
    "CorruptError",
    "DeadlockError",
    "DeadlockWarning",
    "GoneError",
    "InvalidNameError",
    "KindError",
    "LatchworkError",
    "NoRoomError",
    "NotHeldError",
    "NotOwnedError",
    "PatchWarning",
    "UnsafeDirectoryError",
    "VersionError",
]


class LatchworkError(Exception):
    """The base of all errors that are Latchwork's own."""


class InvalidNameError(LatchworkError, ValueError):
    """A name or namespace that can't be one: empty, with a slash or a NUL, over 200 characters."""


class KindError(LatchworkError, TypeError):
    """The name is in use by a primitive of another kind."""


class BrokenBarrierError(LatchworkError, threading.BrokenBarrierError):
    """The barrier is or was broken: by a timeout, a death, an error in its action, abort() or reset()."""


class ConflictError(LatchworkError, ValueError):
    """The name is in use by a primitive that was made with another value, count or number of parties."""


class GoneError(LatchworkError, LookupError):
    """The handle came too late: its primitive, or the program it belonged to, no longer exists."""


class VersionError(LatchworkError, RuntimeError):
    """The arena has the layout of another version of Latchwork."""


class CorruptError(LatchworkError, OSError):
    """The file is not an arena, was truncated, is a link, or belongs to somebody else."""


class NoRoomError(LatchworkError, OSError):
    """No memory, no space in the directory, or no place left in the table of members."""


class NotHeldError(LatchworkError, ValueError, RuntimeError):
    """Released what nobody holds: multiprocessing says ValueError, its managers RuntimeError."""


class NotOwnedError(LatchworkError, AssertionError, RuntimeError):
    """Not owned by who wants to release or use it: an AssertionError in multiprocessing."""


class UnsafeDirectoryError(LatchworkError, PermissionError):
    """The directory of the arenas could be changed by other users."""


class PatchWarning(RuntimeWarning):
    """``patch()`` came too late for some: ``bound`` names what still is multiprocessing's own."""

    def __init__(self, message: str, bound: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.bound = bound


class DeadlockError(LatchworkError, RuntimeError):
    """Some wait for each other for ever, and this thread was chosen to give up; it got nothing new.

    ``deadlock`` is what there is to know of it, as data. Release what you hold (``with`` does), and the
    others go on.
    """

    def __init__(self, message: str, deadlock: "Deadlock | None" = None) -> None:
        super().__init__(message)
        self.deadlock = deadlock


class DeadlockWarning(RuntimeWarning):
    """Some wait for each other, and as far as can be known for ever. ``deadlock`` is it, as data."""

    def __init__(self, message: str, deadlock: "Deadlock | None" = None) -> None:
        super().__init__(message)
        self.deadlock = deadlock
