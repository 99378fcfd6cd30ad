"""Parking in an asyncio event loop, or one with its interface."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

from latchwork import _core
from latchwork.awaiting.files import gathered
from latchwork.awaiting.pausing import PAUSE
from latchwork.errors import NoRoomError

_Loop = asyncio.AbstractEventLoop


class _Station:
    """Where a loop hears that waits of its tasks are done."""

    def __init__(self, loop: _Loop) -> None:
        self.port = _core.Port()
        self.ended = False
        end = self._at_the_end()
        if not getattr(loop, "_asyncgens_shutdown_called", False):
            # By its first step the loop gets to know the generator, which it closes when it shuts down.
            with contextlib.suppress(StopIteration):
                end.asend(None).send(None)
        # The loop keeps the generator, and nothing here keeps the loop.
        loop.add_reader(self.port.fileno(), self.collect, end)

    def collect(self, _end: object) -> None:
        for future in self.port.collect():
            if not future.done():
                future.set_result(None)
        if self.ended:
            self.close_if_idle()

    async def _at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            # Other generators of the loop may still wait, on their way out.
            self.ended = True
            self.close_if_idle()

    def close_if_idle(self) -> None:
        if self.port.idle():
            self.close()

    def close(self) -> None:
        loop = asyncio._get_running_loop()
        if loop is not None and _station_of(loop) is self and self.port.fileno() >= 0:
            loop.remove_reader(self.port.fileno())
        self.port.close()


# The reader of the loop alone keeps a station: a loop that is closed, and no more, lets go of it too.
_stations: "WeakKeyDictionary[_Loop, ref[_Station]]" = WeakKeyDictionary()


def _station_of(loop: _Loop) -> "_Station | None":
    found = _stations.get(loop)
    return None if found is None else found()


def _forget() -> None:
    _stations.clear()


os.register_at_fork(after_in_child=_forget)


def _station(loop: _Loop) -> _Station:
    station = _station_of(loop)
    if station is None or station.port.fileno() < 0:
        station = _Station(loop)
        _stations[loop] = ref(station)
    return station


def _expire(wait: "_core.Wait", future: "asyncio.Future[None]") -> None:
    if wait.expire() and not future.done():
        future.set_result(None)


def check() -> None:
    """RuntimeError if no event loop runs."""
    asyncio.get_running_loop()


async def park(wait: "_core.Wait", timeout: float | None, files: Sequence[int]) -> Any:
    """Wait; what it came to. Cancelled, it has left."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    patient = timeout is None or timeout > 0
    if wait.begin(_station(loop).port if patient else None, future, timeout):
        return wait.take()
    timer = None if timeout is None else loop.call_later(timeout, _expire, wait, future)
    try:
        await (_either(wait, future, files) if files else future)
        return wait.take()
    except BaseException:
        wait.leave()
        raise
    finally:
        if timer is not None:
            timer.cancel()


async def _either(wait: "_core.Wait", future: "asyncio.Future[None]", files: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    with gathered(files) as file:
        assert file is not None
        loop.add_reader(file, _expire, wait, future)
        try:
            await future
        finally:
            loop.remove_reader(file)


async def insist(make: Callable[[], "_core.Wait"]) -> BaseException | None:
    """Wait for as long as it takes, however often it is cancelled; the last cancellation, or None."""
    loop = asyncio.get_running_loop()
    cancelled: BaseException | None = None
    while True:
        future = loop.create_future()
        wait = make()
        try:
            if not wait.begin(_station(loop).port, future):
                cancelled = await _undisturbed(future) or cancelled
            wait.take()
            return cancelled
        except (NoRoomError, OSError):
            loop.call_later(PAUSE, _wake, again := loop.create_future())
            cancelled = await _undisturbed(again) or cancelled
        except BaseException:
            wait.leave()
            raise


async def _undisturbed(future: "asyncio.Future[None]") -> BaseException | None:
    cancelled: BaseException | None = None
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def _wake(future: "asyncio.Future[None]") -> None:
    future.set_result(None)
