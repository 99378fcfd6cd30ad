"""What ``latchwork run NAME`` holds: the lock of that name, of whatever kind it is, or a permit."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from latchwork import _core, directory, program
from latchwork.errors import KindError
from latchwork.primitives import BoundedSemaphore, Lock, RWLock
from latchwork.primitives._primitive import DEFAULT_NAMESPACE, check_name

Primitive = RWLock | Lock | BoundedSemaphore


@dataclass(frozen=True, slots=True)
class Holding:
    """How to take it and give it back."""

    title: str
    primitive: Primitive
    acquire: Callable[[bool, float | None], bool]
    release: Callable[[], None]
    place: program.Place

    @property
    def arena(self) -> "_core.Arena":
        """Where it lives, and this process is a member."""
        return self.place.arena

    @property
    def abandoned(self) -> bool:
        """Whether the one before died with it. (A permit that came back is nobody's in particular.)"""
        return not isinstance(self.primitive, BoundedSemaphore) and self.primitive.abandoned

    def take(self, block: bool, timeout: float | None) -> float | None:
        """Wait for it; the seconds that took, or None if it was not had."""
        before = time.monotonic()
        return time.monotonic() - before if self.acquire(block, timeout) else None

    def give_back(self) -> None:
        """Release it: the command, which was its heir, has ended."""
        self.arena.bequeath(0)
        self.release()

    @property
    def is_inherited(self) -> bool:
        """Whether what the command left running holds it."""
        return self.arena.inherited()

    def leave(self) -> None:
        """Remove the file of the namespace, if nobody else needs it: this process ends by a signal."""
        directory.leave(self.place.path, self.arena)


def find(name: str, namespace: str | None, *, shared: bool, permits: int | None) -> Holding:
    """The one of that name. What is there already decides what it is; a new one is a RWLock.

    A RWLock, since only that can be shared: so that all who use a name exclude each other whether they
    said ``--shared`` or not.
    """
    where = DEFAULT_NAMESPACE if namespace is None else namespace
    check_name(name)
    place = program.namespace(check_name(where, "namespace"))
    if permits is not None:
        try:
            pool = BoundedSemaphore(permits, name=name, namespace=where)
        except KindError:
            raise KindError(
                f"{name!r} is not a BoundedSemaphore, or was made with owned=False: leave --semaphore "
                "out, or choose another name"
            ) from None
        return Holding(f"BoundedSemaphore {name!r}", pool, pool.acquire, pool.release, place)
    try:
        rw = RWLock(name=name, namespace=where)
    except KindError:
        lock = _plain(name, where, shared)
        return Holding(f"Lock {name!r}", lock, lock.acquire, lock.release, place)
    if shared:
        return Holding(f"RWLock {name!r}", rw, rw.acquire_read, rw.release_read, place)
    return Holding(f"RWLock {name!r}", rw, rw.acquire_write, rw.release_write, place)


def _plain(name: str, namespace: str, shared: bool) -> Lock:
    try:
        lock = Lock(name=name, namespace=namespace)
    except KindError:
        raise KindError(
            f"{name!r} is neither a RWLock nor a Lock, which are what a command can run under: choose "
            "another name (or give --semaphore N, if it is a BoundedSemaphore)"
        ) from None
    if shared:
        raise KindError(
            f"{name!r} is a Lock, which can't be shared: leave --shared out, or let the program that "
            "made it make a RWLock"
        )
    return lock
