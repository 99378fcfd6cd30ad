"""The methods that hand out primitives, for contexts and managers."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import latchwork.primitives as _p

if TYPE_CHECKING:
    from latchwork.settings import Deadlock


class Makers:
    """One method a primitive; what is made at module level is known by the line that calls it.

    They ask nothing of ``self``: so they may become methods of multiprocessing's own contexts.
    """

    def Lock(
        self,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> _p.Lock:
        """Return a ``latchwork.Lock``."""
        return _p.Lock._made(sys._getframe(1), name=name, namespace=namespace, deadlock=deadlock)

    def RLock(
        self,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> _p.RLock:
        """Return a ``latchwork.RLock``."""
        return _p.RLock._made(sys._getframe(1), name=name, namespace=namespace, deadlock=deadlock)

    def Event(self, *, name: str | None = None, namespace: str | None = None) -> _p.Event:
        """Return a ``latchwork.Event``."""
        return _p.Event._made(sys._getframe(1), name=name, namespace=namespace)

    def RWLock(
        self,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> _p.RWLock:
        """Return a ``latchwork.RWLock``."""
        return _p.RWLock._made(sys._getframe(1), name=name, namespace=namespace, deadlock=deadlock)

    def Semaphore(
        self,
        value: int = 1,
        *,
        owned: bool = False,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> _p.Semaphore:
        """Return a ``latchwork.Semaphore``."""
        return _p.Semaphore._made(
            sys._getframe(1), value, owned=owned, name=name, namespace=namespace, deadlock=deadlock
        )

    def BoundedSemaphore(
        self,
        value: int = 1,
        *,
        owned: bool = True,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> _p.BoundedSemaphore:
        """Return a ``latchwork.BoundedSemaphore``."""
        return _p.BoundedSemaphore._made(
            sys._getframe(1), value, owned=owned, name=name, namespace=namespace, deadlock=deadlock
        )

    def Condition(
        self,
        lock: _p.Lock | _p.RLock | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> _p.Condition:
        """Return a ``latchwork.Condition``."""
        return _p.Condition._made(
            sys._getframe(1), lock, name=name, namespace=namespace, deadlock=deadlock
        )

    def Barrier(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
    ) -> _p.Barrier:
        """Return a ``latchwork.Barrier``."""
        return _p.Barrier._made(
            sys._getframe(1), parties, action, timeout, name=name, namespace=namespace
        )

    def Latch(
        self, count: int, *, name: str | None = None, namespace: str | None = None
    ) -> _p.Latch:
        """Return a ``latchwork.Latch``."""
        return _p.Latch._made(sys._getframe(1), count, name=name, namespace=namespace)
