"""Very many tasks of one process that wait for what another one has."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from latchwork.bench.measuring import FORK, Effort, Row, at_least, seconds
from latchwork.bench.processes import PATIENCE, hear, running

from . import ways
from .ways import Way

TASKS = 1000
MANY = 10_000
SETTLE = 0.3
LONG = 3.0


class Standing(NamedTuple):
    """What it cost to wait, in seconds and bytes."""

    start: float
    cpu: float  # in each second
    threads: float
    memory: float  # of each task
    end: float  # from the call that let go of the first till the last has gone on


def private_memory() -> int:
    """What is shared was there before, and counts in a forked child only once it is touched."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("\nRssAnon:")[2].split()[0]) * 1024


def threads() -> int:
    return len(os.listdir("/proc/self/task")) - 1


async def stand(crowd: Sequence[Way], pause: float, said: Connection) -> None:
    """Wait for all of them at once, one task each."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(TASKS))
    here = [way for way in dict.fromkeys(crowd) if way.here]
    for way in here:
        await way.hold()
    began = time.monotonic()
    tasks = []
    # The memory is that of the second half: the first fills what was free before.
    for half in crowd[: len(crowd) // 2], crowd[len(crowd) // 2 :]:
        memory = private_memory()
        tasks += [loop.create_task(way.wait()) for way in half]
        await asyncio.sleep(0)
    started = time.monotonic() - began
    await asyncio.sleep(SETTLE)
    used = time.process_time()
    await asyncio.sleep(pause)
    used = time.process_time() - used
    memory = (private_memory() - memory) / len(half)
    said.send(Standing(started, used / max(pause, 1e-9), threads(), memory, 0.0))
    if here:
        said.send(ways.now())
        for way in here:
            way.let_go()
    patience = time.monotonic() + PATIENCE
    for task in tasks:  # to be woken by each of them would disturb them
        while not task.done():
            if time.monotonic() > patience:
                raise TimeoutError("some tasks still wait")
            await asyncio.sleep(0.002)
    said.send(max(task.result() for task in tasks))


def stand_alone(crowd: Sequence[Way], pause: float, said: Connection) -> None:
    asyncio.run(stand(crowd, pause, said))


def crowds(*many: Sequence[Way], pause: float = 0.0) -> list[Standing]:
    """Each a process of its own, all at once."""
    ears, mouths = zip(*(FORK.Pipe(duplex=False) for _ in many), strict=True)
    elsewhere = [[way for way in dict.fromkeys(crowd) if not way.here] for crowd in many]
    for way in chain(*elsewhere):
        way.hold()
    calls = [(crowd, pause, mouth) for crowd, mouth in zip(many, mouths, strict=True)]
    results = []
    with running(stand_alone, calls):
        for mouth in mouths:
            mouth.close()
        for held, ear in zip(elsewhere, ears, strict=True):
            standing = hear(ear)
            began = ways.now() if held else hear(ear)
            for way in held:
                way.let_go()
            results.append(standing._replace(end=(hear(ear) - began) * 1e-9))
            ear.close()
    return results


def crowd_of(kind: str, way: Callable[[str], Way], count: int) -> list[Way]:
    """All at one Lock, or at an Event each."""
    return [way(kind)] * count if kind == "Lock" else [way(kind) for _ in range(count)]


def size(value: float) -> str:
    return f"{value / 1024:.1f} kB" if value >= 10240 else f"{value:.0f} B"


AWAITED = {"Lock": "one Lock", "Event": "an Event each"}


def idle(effort: Effort) -> Iterator[Row]:
    """What it costs to wait: beside a thread for each task, and beside looking again and again."""
    rivals = (ways.awaited, ways.in_thread, partial(ways.polled, period=0.01))
    kinds = tuple(AWAITED)
    measured = [
        crowds(*(crowd_of(kind, way, TASKS) for kind in kinds), pause=LONG) for way in rivals
    ]
    for kind, (ours, thread, look) in zip(kinds, zip(*measured, strict=True), strict=True):
        operation = f"CPU time a second while {TASKS:,} tasks await {AWAITED[kind]}"
        for name, other in (
            (f"{operation}, beside threads", thread),
            ("- beside a look each 10 ms", look),
        ):
            ratio = at_least(other.cpu / ours.cpu, None)
            yield Row(name, seconds(other.cpu), seconds(ours.cpu), *ratio)
        yield Row("- threads for it", f"{thread.threads:,}", f"{ours.threads:,}")
        ratio = at_least(thread.memory / ours.memory, None)
        yield Row("- memory a task, beside threads", size(thread.memory), size(ours.memory), *ratio)


def middle(crowd: Sequence[Sequence[Way]], effort: Effort) -> list[Standing]:
    """The median of everything, in turns."""
    measured = [[crowds(way)[0] for way in crowd] for _ in range(effort.turns)]
    return [
        Standing(*map(statistics.median, zip(*standings, strict=True)))
        for standings in zip(*measured, strict=True)
    ]


def scale(effort: Effort) -> Iterator[Row]:
    """Beside asyncio's own, which reach no other process, and a task that awaits a bare future."""
    asyncios = {"Lock": ways.asyncio_lock, "Event": ways.asyncio_event}
    for kind, what in AWAITED.items():
        ours, plain, bare = middle(
            [
                crowd_of(kind, ways.awaited, MANY),
                crowd_of(kind, lambda kind: asyncios[kind](), MANY),
                [ways.future()] * MANY,
            ],
            effort,
        )
        last = (
            "release() till the last has had it"
            if kind == "Lock"
            else "set() till the last goes on"
        )
        for name, show, mine, theirs in (
            (f"{MANY:,} tasks await {what}: all do after", seconds, ours.start, plain.start),
            (f"- from the first {last}", seconds, ours.end, plain.end),
            ("- memory a task", size, ours.memory, plain.memory),
        ):
            ratio = f"{mine / theirs:.2f} times"
            yield Row(name, f"{show(theirs)} (asyncio)", show(mine), ratio)
        ratio = f"{ours.memory / bare.memory:.2f} times"
        yield Row("- beside a future's", size(bare.memory), size(ours.memory), ratio)
        yield Row("- threads for it", "", f"{ours.threads:g}")
