"""Who tells of a deadlock, or breaks it: one in all processes that are in it.

A claim is a lock on one byte, far behind the end of the arena's file. It leaves nothing behind, ends with
the process, and does not meet the ``flock`` by which a file's processes know that it is in use.
"""

import contextlib
import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from latchwork.inspect import threads
from latchwork.passing import is_own, passing_over

# ``struct flock`` of 64-bit Linux: type, whence, start, length, pid (which must be 0).
FLOCK = "@hhqqi4x"
FAR = 1 << 62
PATIENCE = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be done once: in that file, by that key."""

    path: str
    what: str
    key: str

    @property
    def place(self) -> int:
        """The byte."""
        digest = hashlib.blake2b(f"{self.what} {self.key}".encode(), digest_size=8).digest()
        return FAR + int.from_bytes(digest, "little") % (FAR - 1)


class Claims:
    """What this process has claimed, for each of its threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come to wait in the middle of it
        self._files: dict[str, int] = {}
        self._of: dict[Claim, int] = {}

    @contextlib.contextmanager
    def at_hand(self) -> Iterator[bool]:
        """Whether the following may be called; not if another thread is in the middle of it for long."""
        lock = self._lock
        if not lock.acquire(timeout=PATIENCE):
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def take(self, claim: Claim, thread: int) -> bool | None:
        """Whether it is now that thread's, and was nobody's. None: that can't be known."""
        if claim in self._of:
            return False  # the kernel would grant it again to the same file
        self._of[claim] = thread
        taken: bool | None = False
        try:
            if claim.path not in self._files:
                self._files[claim.path] = os.open(claim.path, os.O_RDWR | os.O_CLOEXEC)
            self._set(claim, fcntl.F_WRLCK)
            taken = True
        except OSError as error:
            if not is_own(error):
                raise
            if not isinstance(error, BlockingIOError):
                taken = None
        finally:
            if taken is False:
                self.give_back(claim)
        return taken

    def keep(self, thread: int, key: str | None) -> None:
        """Give back what that thread has claimed for anything else, and what is of ended threads.

        Not before: a look that finds nothing may only have been unable to confirm what is so.
        """
        living = threads.living(os.getpid())
        for claim, of in list(self._of.items()):
            if (of == thread and claim.key != key) or of not in living:
                self.give_back(claim)

    def give_back(self, claim: Claim) -> None:
        """So that another one may have it."""
        if self._of.pop(claim, None) is None:
            return
        with passing_over(OSError, KeyError):
            self._set(claim, fcntl.F_UNLCK)
        if claim.path in self._files and not any(other.path == claim.path for other in self._of):
            os.close(self._files.pop(claim.path))

    def _set(self, claim: Claim, kind: int) -> None:
        asked = struct.pack(FLOCK, kind, os.SEEK_SET, claim.place, 1, 0)
        fcntl.fcntl(self._files[claim.path], fcntl.F_OFD_SETLK, asked)

    def forget(self) -> None:
        """In a forked child: the claims are the parent's, and must end with it."""
        self._lock = threading.RLock()
        self._of.clear()
        for file in self._files.values():
            with passing_over(OSError):
                os.close(file)
        self._files.clear()


claims = Claims()
os.register_at_fork(after_in_child=claims.forget)
