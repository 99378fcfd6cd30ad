"""From a kill -9 till those that wait go on."""

import ctypes
import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.sharedctypes import RawArray
from typing import Any

from latchwork.bench.measuring import FORK, OURS, Effort, Row, at_most, seconds
from latchwork.bench.processes import PATIENCE, running, until, wait_till_asleep

WAITERS = 3
LIMIT = 2.0
PERMITS = 2


def own(lock: Any, times: int, ready: Any) -> None:
    for _ in range(times):
        lock.acquire()
    ready[0] = 1
    time.sleep(PATIENCE)


def inherit(lock: Any, place: int, ready: Any, got: Any, timeout: float) -> None:
    ready[place] = 1
    if lock.acquire(timeout=timeout):
        got[place] = time.monotonic()
        lock.release()


def kill_owner(lock: Any, times: int, timeout: float) -> float:
    """From the owner's death till the first of those who wait has it; infinite if none gets it."""
    owned = RawArray(ctypes.c_byte, 1)
    ready, got = RawArray(ctypes.c_byte, WAITERS), RawArray(ctypes.c_double, WAITERS)
    calls = [(lock, place, ready, got, timeout) for place in range(WAITERS)]
    with running(own, [(lock, times, owned)]) as (owner,):
        until(lambda: bool(owned[0]))
        with running(inherit, calls) as processes:
            wait_till_asleep(processes, ready)
            start = time.monotonic()
            owner.kill()
    return min((when - start for when in got if when), default=float("inf"))


def meet(barrier: Any, place: int, ready: Any, told: Any, timeout: float) -> None:
    ready[place] = 1
    try:
        barrier.wait(timeout)
    except threading.BrokenBarrierError:
        told[place] = time.monotonic()


def kill_party(context: Any, timeout: float) -> float:
    """From the death of one that waits till all others have been told."""
    count = WAITERS + 1
    barrier = context.Barrier(count + 1)  # so one is always missing
    ready, told = RawArray(ctypes.c_byte, count), RawArray(ctypes.c_double, count)
    calls = [(barrier, place, ready, told, timeout) for place in range(count)]
    with running(meet, calls) as processes:
        wait_till_asleep(processes, ready)
        time.sleep(0.01)  # they watch each other once they have waited for a millisecond
        start = time.monotonic()
        processes[-1].kill()
    return max(when - start if when else float("inf") for when in told[:WAITERS])


def rows(
    operation: str, kill: Callable[[Any, float], float], limit: float | None, effort: Effort
) -> Iterator[Row]:
    hung = kill(FORK, LIMIT)
    theirs = seconds(hung) if hung < LIMIT else "never"
    waits = sorted(kill(OURS, PATIENCE) for _ in range(effort.kills))
    most = max(1, len(waits) * 99 // 100)
    middle, late = statistics.median(waits), waits[most - 1]
    got = hung if hung < LIMIT else None
    yield Row(f"{operation} (median)", theirs, seconds(middle), numbers=(got, middle), unit="s")
    target = at_most(late, limit, seconds) if limit is not None else ("", "")
    operation = f"- {most} of {effort.kills} within"
    yield Row(operation, theirs, seconds(late), "", *target, (got, late), "s")


def owners(effort: Effort) -> Iterator[Row]:
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)  # each death is a warning
    yield from rows(
        f"owner killed, {WAITERS} wait: next one has it",
        lambda context, timeout: kill_owner(context.Lock(), 1, timeout),
        0.005,
        effort,
    )


def others(effort: Effort) -> Iterator[Row]:
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)
    yield from rows(
        f"holder of {PERMITS} permits killed, {WAITERS} wait: next one has one",
        lambda context, timeout: kill_owner(context.BoundedSemaphore(PERMITS), PERMITS, timeout),
        0.005,
        effort,
    )
    operation = f"party of a barrier killed, {WAITERS} wait: all are told"
    yield from rows(operation, kill_party, None, effort)
