"""From what another process does till the task that awaits it goes on."""

import asyncio
import ctypes
import logging
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawArray
from typing import Any

from latchwork.bench import deaths
from latchwork.bench.measuring import FORK, OURS, Effort, Row, at_least, seconds
from latchwork.bench.processes import hear, running, until, wait_till_asleep

from . import ways
from .ways import Way


async def answer(rivals: Sequence[Way], rounds: int, said: Connection) -> None:
    for way in rivals * rounds:
        said.recv()
        task = asyncio.ensure_future(way.wait())
        await asyncio.sleep(0)
        said.send("waiting")
        said.send(await task)


def ask(rivals: Sequence[Way], rounds: int, say: Connection) -> list[list[float]]:
    """Let go of each in turn; how long each took to be noticed each time, in order."""
    took: list[list[float]] = [[] for _ in rivals]
    delays = random.Random(1)
    for _ in range(rounds):
        for way, times in zip(rivals, took, strict=True):
            way.hold()
            say.send("held")
            hear(say)
            # Longer than a thread needs to fall asleep, and at no fixed distance from a look.
            time.sleep(delays.uniform(0.002, 0.004 + way.period))
            start = ways.now()
            way.let_go()
            times.append((hear(say) - start) * 1e-9)
    return [sorted(times) for times in took]


def go_on(rivals: Sequence[Way], rounds: int) -> list[list[float]]:
    here, there = FORK.Pipe()

    def child() -> None:
        here.close()
        asyncio.run(answer(rivals, rounds, there))

    with here, running(child, [()]):
        there.close()
        return ask(rivals, rounds, here)


@contextmanager
def rivals_of(kind: str) -> Iterator[dict[str, Way]]:
    inside, outside = os.pipe()
    try:
        with tempfile.TemporaryDirectory(prefix="latchwork-bench-") as directory:
            rivals = {
                "a thread of an executor": ways.in_thread(kind),
                "a look each 10 ms": ways.polled(kind, 0.01),
                "a look each ms": ways.polled(kind, 0.001),
            }
            if kind == "Lock" and ways.filelock is not None:
                rivals["filelock's `AsyncFileLock`"] = ways.locked_file(f"{directory}/lock")
            yield rivals | {"a byte through a pipe": ways.piped(inside, outside)}
    finally:
        os.close(inside)
        os.close(outside)


def median_and_late(times: Sequence[float]) -> tuple[float, float]:
    return statistics.median(times), times[len(times) * 99 // 100 - 1]


def hand_over(effort: Effort) -> Iterator[Row]:
    operations = {
        "Lock": "released by another process: the task that awaits it has it (median; 99 %)",
        "Event": "set by another process: the task that awaits it goes on (median; 99 %)",
    }
    for kind, operation in operations.items():
        with rivals_of(kind) as rivals:
            times = go_on([ways.awaited(kind), *rivals.values()], effort.kills)
        ours, *others = map(median_and_late, times)
        shown = "; ".join(map(seconds, ours))
        yield Row(operation, "", shown)
        for name, other in zip(rivals, others, strict=True):
            ratio = at_least(other[0] / ours[0], None)
            yield Row(f"- beside {name}", "; ".join(map(seconds, other)), shown, *ratio)
        if kind == "Lock" and ways.filelock is None:
            yield Row("- beside filelock's `AsyncFileLock`", "not installed", shown)


def inherit(context: Any, lock: Any, ready: Any, got: Any, timeout: float) -> None:
    """Tasks that all want it; without Latchwork each has to keep a thread waiting."""

    async def want(place: int) -> None:
        ready[place] = 1
        if context is OURS:
            has = await lock.acquire_async(timeout)
        else:
            loop = asyncio.get_running_loop()
            has = await loop.run_in_executor(None, lock.acquire, True, timeout)
        if has:
            got[place] = time.monotonic()
            lock.release()

    async def want_all() -> None:
        await asyncio.gather(*map(want, range(len(ready))))

    asyncio.run(want_all())


def kill_owner(context: Any, timeout: float) -> float:
    """From the owner's death till the first of the tasks has it; infinite if none gets it."""
    lock, count = context.Lock(), deaths.WAITERS + 1
    owned = RawArray(ctypes.c_byte, 1)
    ready, got = RawArray(ctypes.c_byte, count), RawArray(ctypes.c_double, count)
    with running(deaths.own, [(lock, 1, owned)]) as (owner,):
        until(lambda: bool(owned[0]))
        with running(inherit, [(context, lock, ready, got, timeout)]) as processes:
            wait_till_asleep(processes, ready)
            start = time.monotonic()
            owner.kill()
    return min((when - start for when in got if when), default=float("inf"))


def owner_killed(effort: Effort) -> Iterator[Row]:
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)  # each death is a warning
    operation = f"owner killed, {deaths.WAITERS + 1} tasks await it: next one has it"
    yield from deaths.rows(operation, kill_owner, 0.005, effort)
