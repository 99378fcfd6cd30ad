"""What it costs those who are busy that somebody looks at them."""

import ctypes
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue

from latchwork.bench.contention import hand_round, take_turns
from latchwork.bench.measuring import OURS, Effort, Row, a_second, at_most
from latchwork.bench.processes import running
from latchwork.bench.wakeups import go_round

PROCESSES = 8

# Somebody who has no part in it, as `latchwork top` has not; for as long as its standard input is open.
_LOOKER = """
import select, sys, latchwork.inspect
pause = float(sys.argv[1])
print(len(latchwork.inspect.views()), flush=True)
while not select.select([sys.stdin], [], [], pause)[0]:
    latchwork.inspect.views()
"""


@contextmanager
def looked_at(pause: float | None) -> Iterator[None]:
    """Meanwhile somebody looks at all there is, with such a pause between two looks; None: nobody."""
    if pause is None:
        yield
        return
    command = [sys.executable, "-c", _LOOKER, str(pause)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as looker:
        try:
            assert looker.stdout is not None
            looker.stdout.readline()
            yield
        finally:
            looker.communicate(timeout=60)


def lock(effort: Effort) -> float:
    return sum(hand_round(OURS.Lock(), take_turns, PROCESSES, effort)) / effort.turn


def barrier(effort: Effort) -> float:

    made, result = OURS.Barrier(PROCESSES), RawValue(ctypes.c_double)
    with running(
        go_round, [(made, place, effort.barrier_rounds, result) for place in range(PROCESSES)]
    ):
        pass
    return float(result.value)


def permits(effort: Effort) -> float:
    return sum(hand_round(OURS.BoundedSemaphore(3), take_turns, PROCESSES, effort)) / effort.turn


CASES: tuple[tuple[str, Callable[[Effort], float]], ...] = (
    ("Lock", lock),
    ("BoundedSemaphore", permits),
    ("Barrier", barrier),
)
LOOKS = (("10 times a second", 0.1, 1.05), ("without a pause", 0.0, None))


def watched(effort: Effort) -> Iterator[Row]:
    """Those who are looked at, and beside the same when nobody looks."""
    for name, measure in CASES:
        for how, pause, most in LOOKS:
            without, within, slower = compare(measure, pause, effort)
            yield Row(
                f"{PROCESSES} processes at a {name}, seen {how}; beside: by nobody",
                *(a_second(without), a_second(within), f"{slower:.3f}"),
                *(at_most(slower, most, "{:g}".format) if most is not None else ("", "")),
                numbers=(without, within),
                unit="/s",
            )


def compare(
    measure: Callable[[Effort], float], pause: float, effort: Effort
) -> tuple[float, float, float]:
    """How fast they are without and with it, and how many times slower: medians, taking turns."""
    alone: list[float] = []
    seen: list[float] = []
    for _ in range(3 * effort.turns):
        for samples, how in ((alone, None), (seen, pause)):
            with looked_at(how):
                samples.append(measure(effort))
    slower = [before / after for before, after in zip(alone, seen, strict=True)]
    return statistics.median(alone), statistics.median(seen), statistics.median(slower)
