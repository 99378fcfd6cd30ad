"""How a coroutine waits: it parks until the watcher has what it waits for.

See docs/design/003-awaiting.md. Whose event loop that is, asyncio's (or one with its interface, as
uvloop) or trio's, is found out at each wait, and nothing is imported for it that the program has not
imported.
"""

import atexit
import functools
import math
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from latchwork import _core
from latchwork.awaiting.tasks import in_trio_task

__all__ = ["Parking", "check", "insist", "park", "seconds"]


class Parking(Protocol):
    """What a kind of event loop must be able to do."""

    def check(self) -> None:
        """RuntimeError if no event loop runs."""

    async def park(self, wait: "_core.Wait", timeout: float | None, files: Sequence[int]) -> Any:
        """Wait; what it came to. Cancelled, it has left."""

    async def insist(self, make: Callable[[], "_core.Wait"]) -> BaseException | None:
        """Wait for as long as it takes; the last of the cancellations that came, or None."""


# A fork finds no thread but Python's: it would warn of others, though these run nothing of Python.
os.register_at_fork(before=_core.stop_watching, after_in_parent=_core.resume_watching)
atexit.register(_core.stop_watching)


def _parking() -> Parking:
    if in_trio_task():
        from latchwork.awaiting import in_trio

        return in_trio
    return _in_asyncio()


@functools.cache
def _in_asyncio() -> Parking:
    from latchwork.awaiting import in_asyncio

    return in_asyncio


def seconds(timeout: float | None) -> float | None:
    """A timeout that is one. TypeError, ValueError."""
    if timeout is not None and math.isnan(timeout):
        raise ValueError("timeout must be a number of seconds or None, not NaN")
    return timeout


def check() -> None:
    """RuntimeError if there is nothing here that could wait."""
    _parking().check()


def park(
    wait: "_core.Wait", timeout: float | None, files: Sequence[int] = ()
) -> Coroutine[Any, Any, Any]:
    """Wait for so many seconds at most, or until a file can be read; what it came to."""
    return _parking().park(wait, timeout, files)


def insist(make: Callable[[], "_core.Wait"]) -> Coroutine[Any, Any, BaseException | None]:
    """Wait for what must be had, whatever happens; the cancellation that came meanwhile, or None."""
    return _parking().insist(make)
