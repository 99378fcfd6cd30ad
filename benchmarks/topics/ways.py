"""How a coroutine waits for what another process has: Latchwork's way, and what is done without it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from latchwork.bench.measuring import FORK, OURS

try:
    import filelock
except ImportError:
    filelock = None

Call = Callable[[], Any]

now = time.monotonic_ns


@dataclass(frozen=True, eq=False)
class Way:
    """One primitive, and one way to wait for it."""

    hold: Call  # by whom the others are to wait for
    let_go: Call
    wait: Callable[
        [], Awaitable[int]
    ]  # comes back when it is free again, with the time that was seen
    period: float = 0.0  # of its looks
    here: bool = False  # it can be held only by the process that waits


@dataclass(frozen=True)
class Calls:
    hold: Call
    let_go: Call
    block: Call  # returns an awaitable if it is Latchwork's
    look: Call
    leave: Call  # what has to be done after the wait


def calls(kind: str, context: Any) -> Calls:
    made = getattr(context, kind)()
    if kind == "Lock":
        block = made.acquire_async if context is OURS else made.acquire
        return Calls(made.acquire, made.release, block, partial(made.acquire, False), made.release)
    block = made.wait_async if context is OURS else made.wait
    return Calls(made.clear, made.set, block, made.is_set, bool)


async def await_it(it: Calls) -> int:
    await it.block()
    seen = now()
    it.leave()
    return seen


async def leave_it_to_a_thread(it: Calls) -> int:
    await asyncio.get_running_loop().run_in_executor(None, it.block)
    seen = now()
    it.leave()
    return seen


async def look_again(it: Calls, period: float) -> int:
    while not it.look():
        await asyncio.sleep(period)
    seen = now()
    it.leave()
    return seen


def awaited(kind: str) -> Way:
    it = calls(kind, OURS)
    return Way(it.hold, it.let_go, partial(await_it, it))


def in_thread(kind: str) -> Way:
    it = calls(kind, FORK)
    return Way(it.hold, it.let_go, partial(leave_it_to_a_thread, it))


def polled(kind: str, period: float) -> Way:
    it = calls(kind, FORK)
    return Way(it.hold, it.let_go, partial(look_again, it, period), period)


async def await_file(path: str) -> int:
    async with filelock.AsyncFileLock(path):  # it refuses to be one that was made before the fork
        return now()


def locked_file(path: str) -> Way:
    lock = filelock.FileLock(path)
    return Way(lock.acquire, lock.release, partial(await_file, path), 0.05)


async def await_byte(pipe: int) -> int:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(pipe, readable.set_result, None)
    await readable
    seen = now()
    loop.remove_reader(pipe)
    os.read(pipe, 1)
    return seen


def piped(inside: int, outside: int) -> Way:
    """What any wake-up from outside costs a loop."""
    return Way(bool, partial(os.write, outside, b"."), partial(await_byte, inside))


async def await_asyncio_lock(lock: asyncio.Lock) -> int:
    async with lock:
        return now()


async def await_asyncio_event(event: asyncio.Event) -> int:
    await event.wait()
    return now()


async def await_future(futures: list[asyncio.Future[None]]) -> int:
    future = asyncio.get_running_loop().create_future()
    futures.append(future)
    await future
    return now()


def asyncio_lock() -> Way:
    lock = asyncio.Lock()
    return Way(lock.acquire, lock.release, partial(await_asyncio_lock, lock), here=True)


def asyncio_event() -> Way:
    event = asyncio.Event()
    nothing = partial(asyncio.sleep, 0)
    return Way(nothing, event.set, partial(await_asyncio_event, event), here=True)


def future() -> Way:
    """A task that waits for nothing but a future of its own: the least that one can cost."""
    futures: list[asyncio.Future[None]] = []

    def finish() -> None:
        for future in futures:
            future.set_result(None)

    return Way(partial(asyncio.sleep, 0), finish, partial(await_future, futures), here=True)
