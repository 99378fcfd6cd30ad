"""Several processes that want the same at the same time."""

import ctypes
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any

from latchwork.bench.measuring import (
    FORK,
    OURS,
    RIVALS,
    Effort,
    Pair,
    Row,
    at_least,
    at_most,
    both,
    in_turn,
    more,
    seconds,
)
from latchwork.bench.processes import running, until

BATCH = 20
HOLD = 10e-6


def take_turns(lock: Any, place: int, start: Any, end: Any, counts: Any) -> None:
    count = 0
    start.wait()
    stop = end.value
    while time.monotonic() < stop:
        for _ in range(BATCH):
            with lock:
                pass
        count += BATCH
    counts[place] = count


def watch_turns(lock: Any, place: int, start: Any, end: Any, worst: Any) -> None:
    """The same, but time every wait: which slows it down, so it doesn't count for the throughput."""
    clock, longest = time.monotonic, 0.0
    start.wait()
    stop = end.value
    while (before := clock()) < stop:
        with lock:
            waited = clock() - before
        if waited > longest:
            longest = waited
    worst[place] = longest


def work_inside(hold: Callable[[], Any], place: int, start: Any, end: Any, counts: Any) -> None:
    """Hold it for a while, over and over."""
    clock, count = time.monotonic, 0
    start.wait()
    stop = end.value
    while clock() < stop:
        with hold():
            busy_until = clock() + HOLD
            while clock() < busy_until:
                pass
        count += 1
    counts[place] = count


def hand_round(shared: Any, work: Callable[..., None], count: int, effort: Effort) -> list[float]:
    """Let so many processes do that with it for a while; what each has written."""
    results, end = RawArray(ctypes.c_double, count), RawValue(ctypes.c_double)
    start = FORK.Barrier(count + 1)
    calls = [(shared, place, start, end, results) for place in range(count)]
    with running(work, calls):
        until(lambda: start.n_waiting == count)
        end.value = time.monotonic() + effort.turn
        start.wait()
    return list(results)


def locks(effort: Effort) -> Iterator[Row]:
    for count in effort.parties:
        shares = Shares(effort)
        pair = both(partial(shares.measure, count), effort.turns)
        yield more(f"lock handed round {count} processes", pair, 1)
        yield shares.row()
        yield longest_wait(count, effort)


class Shares:
    """The smallest part of its fair share that any process got in any turn."""

    def __init__(self, effort: Effort) -> None:
        self.effort = effort
        self.least = {id(context): 1.0 for context in RIVALS}

    def measure(self, count: int, context: Any) -> float:
        counts = hand_round(context.Lock(), take_turns, count, self.effort)
        share = min(counts) * count / sum(counts)
        self.least[id(context)] = min(share, self.least[id(context)])
        return sum(counts) / self.effort.turn

    def row(self) -> Row:
        theirs, ours = (self.least[id(context)] for context in RIVALS)
        target = ("", *at_least(ours, 0.5)[1:])
        row = Row("- smallest part of a fair share", f"{theirs:.2f}", f"{ours:.2f}", *target)
        return row._replace(numbers=(theirs, ours))


def longest_wait(count: int, effort: Effort) -> Row:
    worst = [0.0, 0.0]
    for _, (i, context) in itertools.product(range(effort.turns), enumerate(RIVALS)):
        worst[i] = max(worst[i], *hand_round(context.Lock(), watch_turns, count, effort))
    target = at_most(worst[1], 0.05, seconds)
    row = Row("- longest single wait", seconds(worst[0]), seconds(worst[1]), "", *target)
    return row._replace(numbers=(worst[0], worst[1]), unit="s")


def hand_semaphore_round(
    kind: str, permits: int, count: int, effort: Effort, context: Any
) -> float:
    made = getattr(context, kind)(permits)
    return sum(hand_round(made, take_turns, count, effort)) / effort.turn


def semaphores(effort: Effort) -> Iterator[Row]:
    count = 4
    for kind, permits in (("Semaphore", 1), ("BoundedSemaphore", 2)):
        pair = both(partial(hand_semaphore_round, kind, permits, count, effort), effort.turns)
        yield more(f"`{kind}({permits})` handed round {count} processes", pair, None)


def work_together(hold: Callable[[], Any], count: int, effort: Effort) -> float:
    return sum(hand_round(hold, work_inside, count, effort)) / effort.turn


def readers(effort: Effort) -> Iterator[Row]:
    """Beside a Lock, which multiprocessing's readers have to take turns at."""
    count, lock = 2, FORK.Lock()
    holds: tuple[Callable[[], Any], ...] = (lambda: lock, OURS.RWLock().read)
    pair = Pair(
        *in_turn([partial(work_together, hold, count, effort) for hold in holds], effort.turns)
    )
    yield more(f"{count} processes read for {seconds(HOLD)} at a time, beside a Lock", pair, 1.5)
