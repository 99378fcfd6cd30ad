"""What profiling costs: nothing while it is off, and so much an operation while it is on."""

import os
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from latchwork import profiling
from latchwork.bench.alone import ACQUIRE, WITH
from latchwork.bench.measuring import OURS, Effort, Row, at_most, in_turn, seconds

READ = "with x.read():\n pass"
OTHER = "LATCHWORK_BENCH_OTHER"
TIMES = 100_000  # so that there is room for all events: to drop one is cheaper

# In a process of its own each time: what an interpreter has specialised, or where memory lies, is not to
# favour the one that was first.
_ALONE = """
import sys, timeit, latchwork
{before}
timer = timeit.Timer({statement!r}, globals={{"x": latchwork.Lock()}})
number = {number}
print(min(timer.repeat(7, number)) / number)
"""
_SWITCHED = """
import tempfile
from latchwork import profiling
with tempfile.TemporaryDirectory() as home:
    profiling.start(home)
    with latchwork.Lock():
        pass
    profiling.stop()
"""


def alone(effort: Effort, before: str = "", path: str | None = None) -> float:
    number = max(1000, round(effort.timing * 1e6))
    source = _ALONE.format(before=before, statement=WITH, number=number)
    environment = {**os.environ, "LATCHWORK_PROFILE": ""}
    if path is not None:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [sys.executable, "-c", source], env=environment, check=True, capture_output=True
    )
    return float(done.stdout)


def off(effort: Effort) -> Iterator[Row]:
    """Beside another build, too, if ``LATCHWORK_BENCH_OTHER`` names its ``src``."""
    rounds = 3 * effort.repeats
    other = os.environ.get(OTHER)
    never, after = in_turn([lambda: alone(effort), lambda: alone(effort, _SWITCHED)], rounds)
    ratio = f"{after / never:.3f}"
    target = at_most(after / never, 1.02, "{:g}".format)
    operation = "`with lock:`, recording was on and is off again; beside: never on"
    yield Row(operation, seconds(never), seconds(after), ratio, *target)
    if other is not None:
        theirs, ours = in_turn([lambda: alone(effort, path=other), lambda: alone(effort)], rounds)
        target = at_most(ours / theirs, 1.02, "{:g}".format)
        operation = "`with lock:`, recording is off; beside: the other build"
        yield Row(operation, seconds(theirs), seconds(ours), f"{ours / theirs:.3f}", *target)


def on(effort: Effort) -> Iterator[Row]:
    """What an operation costs in all, and beside what it costs without."""
    cases: tuple[tuple[str, str, Any, int], ...] = (
        ("`with lock:`", WITH, OURS.Lock(), 2),
        ("`lock.acquire()`, `release()`", ACQUIRE, OURS.Lock(), 2),
        ("`with rlock:`", WITH, OURS.RLock(), 2),
        ("`with bounded_semaphore:`", WITH, OURS.BoundedSemaphore(2), 2),
        ("`with rwlock.read():`", READ, OURS.RWLock(), 2),
        ("`event.set()`", "x.set()", OURS.Event(), 1),
        ("`latch.count_down()`", "x.count_down()", OURS.Latch(2**31 - 1), 1),
    )
    for name, statement, made, operations in cases:
        timer = timeit.Timer(statement, globals={"x": made})

        def watch(timer: timeit.Timer = timer) -> float:
            return timer.timeit(TIMES) / TIMES

        without, recorded = in_turn([watch, partial(_recorded, watch)], effort.repeats)
        target = at_most(recorded / operations, 1e-6, seconds)
        yield Row(
            f"{name} recorded, an operation; beside: not",
            *(seconds(without / operations), seconds(recorded / operations)),
            f"{recorded / without:.2f}",
            *target,
        )


def _recorded(watch: Callable[[], float]) -> float:
    with tempfile.TemporaryDirectory() as home:
        profiling.start(home)
        try:
            return watch()
        finally:
            profiling.stop()
