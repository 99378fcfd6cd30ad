"""What it costs to be blocked, and to be there."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.sharedctypes import RawArray
from typing import Any

from latchwork import program
from latchwork.bench.measuring import FORK, OURS, RIVALS, Effort, Row, at_most, seconds
from latchwork.bench.processes import running, wait_till_asleep


def block(call: Callable[[], object], place: int, ready: Any, used: Any) -> None:
    before = time.process_time()
    ready[place] = 1
    call()
    used[place] = time.process_time() - before


def blocked(effort: Effort) -> Iterator[Row]:
    """All four at once: they should not disturb each other."""
    locks = [context.Lock() for context in RIVALS]
    events = [context.Event() for context in RIVALS]
    waits = [lock.acquire for lock in locks] + [event.wait for event in events]
    ready, used = RawArray(ctypes.c_byte, 4), RawArray(ctypes.c_double, [-1.0] * 4)
    for lock in locks:
        lock.acquire()
    with running(
        block, [(wait, place, ready, used) for place, wait in enumerate(waits)]
    ) as processes:
        wait_till_asleep(processes, ready)
        time.sleep(3)
        for lock, event in zip(locks, events, strict=True):
            lock.release()
            event.set()
    for i, what in enumerate(("`lock.acquire()`", "`event.wait()`")):
        theirs, ours = used[2 * i], used[2 * i + 1]
        operation = f"CPU time of 3 s blocked in {what}"
        target = at_most(ours, 0.01, seconds)
        yield Row(operation, seconds(theirs), seconds(ours), "", *target)


def file_system_use() -> int:
    use = os.statvfs("/dev/shm")
    return (use.f_blocks - use.f_bfree) * use.f_frsize


def memory(effort: Effort) -> Iterator[Row]:
    arena, many = program.arena(), 1000
    before = file_system_use()
    theirs = [FORK.Lock() for _ in range(many)]
    each = (file_system_use() - before) / many
    theirs.clear()
    slots, size = arena.counts()["ready"], os.fstat(arena.fd).st_blocks * 512
    ours = [OURS.Lock() for _ in range(100 * many)]
    counts = arena.counts()
    grown = (os.fstat(arena.fd).st_blocks * 512 - size) / (counts["ready"] - slots)
    del ours
    target = at_most(grown, 64, lambda value: f"{value:g} B")
    yield Row("shared memory a Lock", f"{each:.0f} B", f"{grown:.1f} B", "", *target)
    used = f"{counts['live']:,} in {counts['used']:,}"
    yield Row(f"- {100 * many:,} alive: slots used", "", used)
