"""Latchwork beside multiprocessing, in one run, on this machine and this Python: ``latchwork bench``.

Every number is the median of several repeats, and the rivals take turns, so that whatever else the
machine does meets both. ``measuring`` says how, the other modules what.
"""

from collections.abc import Callable, Iterator, Sequence

from latchwork.bench import alone, contention, deaths, wakeups
from latchwork.bench.measuring import Effort, Row

Part = Callable[[Effort], Iterator[Row]]

PARTS: tuple[Part, ...] = (
    *alone.PARTS,
    wakeups.by_set,
    wakeups.by_notify,
    wakeups.many,
    wakeups.meeting,
    contention.locks,
    contention.readers,
    deaths.owners,
)

# Under half a minute, and some seconds.
USUAL = Effort(
    repeats=5,
    timing=0.02,
    round_trips=1000,
    barrier_rounds=200,
    crowds=1,
    turns=1,
    kills=50,
    turn=0.5,
    parties=(2, 8),
)
BRIEF = Effort(
    repeats=3,
    timing=0.004,
    round_trips=200,
    barrier_rounds=50,
    crowds=1,
    turns=1,
    kills=10,
    turn=0.1,
    parties=(4,),
)


def measure(parts: Sequence[Part], effort: Effort) -> Iterator[Row]:
    """All rows; a part that fails is one row that says so, and the others go on."""
    for part in parts:
        try:
            yield from part(effort)
        except Exception as error:
            name = f"{part.__module__}.{part.__name__}"
            yield Row(f"{name}: {error!r}", "failed", "failed")
