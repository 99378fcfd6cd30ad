"""Parking in a trio run."""

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import trio

from latchwork import _core
from latchwork.awaiting.files import gathered
from latchwork.awaiting.pausing import PAUSE
from latchwork.errors import NoRoomError


class _Parked:
    """A task that is parked; its port hands this out when its wait is done."""

    __slots__ = ("closed", "done", "task")

    def __init__(self) -> None:
        self.task: trio.lowlevel.Task | None = None
        self.done = False
        self.closed = False  # its files are not to be waited for any more

    def unpark(self) -> None:
        self.done = True
        if self.task is not None:
            trio.lowlevel.reschedule(self.task)
            self.task = None

    async def sleep(self) -> None:
        if self.done:
            return
        self.task = trio.lowlevel.current_task()

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            self.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)


async def _hear(port: "_core.Port") -> None:
    """Until the end of the run, as a task of its own."""
    try:
        while True:
            await trio.lowlevel.wait_readable(port.fileno())
            for parked in port.collect():
                parked.unpark()
    finally:
        trio.lowlevel.notify_closing(port.fileno())
        port.close()


_ports: "WeakKeyDictionary[trio.lowlevel.TrioToken, _core.Port]" = WeakKeyDictionary()


def _forget() -> None:
    _ports.clear()


os.register_at_fork(after_in_child=_forget)


def _port() -> "_core.Port":
    token = trio.lowlevel.current_trio_token()
    port = _ports.get(token)
    if port is None or port.fileno() < 0:
        port = _core.Port()
        trio.lowlevel.spawn_system_task(_hear, port, name="latchwork")
        _ports[token] = port
    return port


def check() -> None:
    """Nothing: it was asked already whether a trio task runs here."""


async def _when_readable(file: int, parked: _Parked) -> None:
    # The waiter may have been rescheduled first, and gone.
    if not parked.closed:
        with contextlib.suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(file)
        parked.unpark()


async def park(wait: "_core.Wait", timeout: float | None, files: Sequence[int]) -> Any:
    """Wait; what it came to. Cancelled, it has left."""
    parked = _Parked()
    patient = timeout is None or timeout > 0
    if wait.begin(_port() if patient else None, parked, timeout):
        return wait.take()
    try:
        with gathered(files) as file, trio.move_on_after(math.inf if timeout is None else timeout):
            if file is not None:
                trio.lowlevel.spawn_system_task(_when_readable, file, parked, name="latchwork")
            try:
                await parked.sleep()
            finally:
                parked.closed = True
                if file is not None:
                    trio.lowlevel.notify_closing(file)
        wait.expire()
        return wait.take()
    except BaseException:
        wait.leave()
        raise


async def insist(make: Callable[[], "_core.Wait"]) -> BaseException | None:
    """Wait for as long as it takes. A cancellation stays pending: the next checkpoint raises it."""
    with trio.CancelScope(shield=True):
        while True:
            try:
                await park(make(), None, ())
                return None
            except (NoRoomError, OSError):
                await trio.sleep(PAUSE)
    return None
