"""What coroutines wait for: recorded by wrappers in Python, as a wait of a task costs more than they."""

import asyncio
import functools
import sys
import time
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


async def _finishing(
    call: Callable[[], Awaitable[Any]],
    primitive: Any,
    begun: Any,
    acquires: bool,
    since: int | None = None,
) -> Any:
    """Await it, and record how it ended."""
    # A coroutine may have been called long before it was begun.
    begun = (*begun[:-1], time.monotonic_ns() if since is None else since)
    try:
        result = await call()
    except BaseException as error:
        _core.recording_done(primitive, begun, _ending(error), acquires)
        raise
    _core.recording_done(primitive, begun, _TIMED_OUT if result is False else _HAD, acquires)
    return result


async def entering(awaitable: Awaitable[Any], primitive: Any, begun: Any) -> None:
    """``async with`` that had to wait; its result is nobody's."""
    await _finishing(lambda: awaitable, primitive, begun, True, begun[-1])


async def _waiting(condition: Any, wait: Callable[[], Awaitable[Any]], begun: Any) -> Any:
    """A Condition's wait, in which the lock is not held."""
    lock = condition._own_lock()
    paused = _core.pause_hold(lock)
    try:
        return await _finishing(wait, condition, begun, False)
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
        if begun is None:
            return method(self, *args, **kwargs)
        call = functools.partial(method, self, *args, **kwargs)
        if isinstance(self, Condition):
            return _waiting(self, call, begun)
        return _finishing(call, self, begun, mode != _WAIT)

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
