"""Managers: Latchwork's primitives without a server, everything else from multiprocessing's.

``from latchwork.managers import …`` serves as ``from multiprocessing.managers import …``.
"""

import functools
import sys
from multiprocessing import managers as _std
from multiprocessing.managers import BaseManager, BaseProxy, SyncManager
from typing import Any

from latchwork import primitives
from latchwork.making import Makers

__all__ = ["BaseManager", "BaseProxy", "LocalManager", "SyncManager"]


def __getattr__(name: str) -> Any:
    return getattr(_std, name)


class LocalManager(Makers, SyncManager):  # type: ignore[misc]
    """What ``Manager()`` returns.

    All primitives are Latchwork's own, in shared memory: no server process, no round trip, and they live
    on whatever happens to the server. Everything else (``dict``, ``list``, ``Namespace``,
    ``Value``, ``Array``, ``Queue``, ``Pool``, what was ``register``\\ ed) is served by multiprocessing's
    server process, which is started at the first of them that is asked for, not before.

    After ``shutdown()`` or the end of the ``with``, nothing new can be had from it, as in multiprocessing
    (AssertionError); primitives that it has handed out go on working, which multiprocessing's do not.
    """

    def __enter__(self) -> "LocalManager":
        self._check_open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()

    def shutdown(self) -> None:  # type: ignore[override]
        """End the server, if it was started, and hand out nothing more."""
        # start() puts multiprocessing's own shutdown into the instance, in front of this one.
        self._state.value = _std.State.SHUTDOWN  # type: ignore[attr-defined]

    def _check_open(self) -> None:
        state = self._state.value  # type: ignore[attr-defined]
        assert state != _std.State.SHUTDOWN, "Manager has shut down"  # type: ignore[attr-defined]

    def _has_server(self) -> bool:
        return hasattr(self, "_process")

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the server, if it was started."""
        if self._has_server():
            super().join(timeout)

    def _number_of_objects(self) -> int:
        return int(super()._number_of_objects()) if self._has_server() else 0  # type: ignore[misc]

    def _debug_info(self) -> str:
        return str(super()._debug_info()) if self._has_server() else ""  # type: ignore[misc]

    def _create(self, typeid: str, /, *args: Any, **kwds: Any) -> Any:
        if self._state.value == _std.State.INITIAL:  # type: ignore[attr-defined]
            self.start()
        return super()._create(typeid, *args, **kwds)  # type: ignore[misc]


def _checked(name: str) -> Any:
    """Make the method of that name, which hands out nothing after shutdown()."""
    kind: Any = getattr(primitives, name)

    @functools.wraps(getattr(Makers, name))
    def make(self: LocalManager, *args: Any, **kwds: Any) -> Any:
        self._check_open()
        return kind._made(sys._getframe(1), *args, **kwds)

    return make


for _name in primitives.__all__:
    setattr(LocalManager, _name, _checked(_name))
