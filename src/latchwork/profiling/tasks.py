"""What coroutines wait for: recorded by wrappers in Python, as a wait of a task costs far more than one."""

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from latchwork import _core
from latchwork.errors import LatchworkError
from latchwork.primitives import Barrier, Condition, Event, Latch, Lock, RLock, RWLock, Semaphore
from latchwork.profiling.journal import ENDINGS, MODES

_Method = Callable[..., Coroutine[Any, Any, Any]]

_HELD, _READ, _WRITE, _PERMIT, _WAIT = (
    MODES.index(mode) for mode in ("held", "read", "write", "permit", "wait")
)
_HAD, _TIMED_OUT, _INTERRUPTED, _FAILED = range(len(ENDINGS))

# A Condition's acquire_async is its lock's.
_METHODS: tuple[tuple[type, str, int], ...] = (
    (Lock, "acquire_async", _HELD),
    (RLock, "acquire_async", _HELD),
    (Semaphore, "acquire_async", _PERMIT),
    (RWLock, "acquire_read_async", _READ),
    (RWLock, "acquire_write_async", _WRITE),
    (Event, "wait_async", _WAIT),
    (Latch, "wait_async", _WAIT),
    (Barrier, "wait_async", _WAIT),
    (Condition, "wait_async", _WAIT),
)
# As asyncio.iscoroutinefunction() is to see them.
_MARK = getattr(asyncio.coroutines, "_is_coroutine", None)
_replaced: dict[tuple[type, str], Any] = {}


def _ending(error: BaseException) -> int:
    if isinstance(error, TimeoutError):
        return _TIMED_OUT
    failures = (LatchworkError, TypeError, ValueError, RuntimeError, OSError, MemoryError)
    return _FAILED if isinstance(error, failures) else _INTERRUPTED


async def _finishing(awaitable: Awaitable[Any], primitive: Any, begun: Any, acquires: bool) -> Any:
    """Await it, and record how it ended."""
    try:
        result = await awaitable
    except BaseException as error:
        _core.recording_done(primitive, begun, _ending(error), acquires)
        raise
    _core.recording_done(primitive, begun, _TIMED_OUT if result is False else _HAD, acquires)
    return result


async def entering(awaitable: Awaitable[Any], primitive: Any, begun: Any) -> None:
    """``async with`` that had to wait; its result is nobody's."""
    await _finishing(awaitable, primitive, begun, True)


async def _waiting(lock: Any, wait: Coroutine[Any, Any, Any]) -> Any:
    """A Condition's wait, in which the lock is not held."""
    paused = _core.pause_hold(lock)
    try:
        return await wait
    except GeneratorExit:
        paused = None  # closed: it does not come back with the lock
        raise
    finally:
        if paused is not None:
            _core.resume_hold(lock, paused)


def _wrapper(method: _Method, mode: int) -> _Method:
    """Not a coroutine function: what waits is the line that calls it, whoever runs the task."""

    @functools.wraps(method)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        begun = _core.recording_begin(self, mode, sys._getframe(1))
        made = method(self, *args, **kwargs)
        if begun is None:
            return made
        if isinstance(self, Condition):
            made = _waiting(self._own_lock(), made)
        return _finishing(made, self, begun, mode != _WAIT)

    recorded._is_coroutine = _MARK  # type: ignore[attr-defined]
    return recorded


def install() -> None:
    """Replace the methods that are awaited."""
    for cls, name, mode in _METHODS:
        _replaced[cls, name] = vars(cls)[name]
        setattr(cls, name, _wrapper(vars(cls)[name], mode))


def remove() -> None:
    """Put them back."""
    while _replaced:
        (cls, name), method = _replaced.popitem()
        setattr(cls, name, method)
