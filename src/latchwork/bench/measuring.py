"""How it is measured, and how that is written down."""

import multiprocessing
import statistics
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import latchwork
from latchwork._showing import seconds as seconds

FORK: Any = multiprocessing.get_context("fork")
OURS: Any = latchwork.get_context("fork")
RIVALS = (FORK, OURS)


@dataclass(frozen=True)
class Effort:
    """How much of everything."""

    repeats: int
    timing: float
    round_trips: int
    barrier_rounds: int
    crowds: int
    turns: int
    kills: int
    turn: float = 1.0
    """Seconds for which several take turns."""
    parties: tuple[int, ...] = (2, 4, 8)
    """How many of them."""


FULL = Effort(
    repeats=9, timing=0.1, round_trips=5000, barrier_rounds=1000, crowds=9, turns=5, kills=100
)
QUICK = Effort(
    repeats=5, timing=0.02, round_trips=1000, barrier_rounds=200, crowds=3, turns=1, kills=100
)


class Pair(NamedTuple):
    """What multiprocessing needed, and what Latchwork did."""

    theirs: float
    ours: float


class Row(NamedTuple):
    """A line of the table."""

    operation: str
    theirs: str
    ours: str
    ratio: str = ""
    target: str = ""
    met: str = ""
    numbers: tuple[float | None, float | None] = (None, None)
    """What the second and the third cell say, for programs."""
    unit: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """What is shown of it."""
        return self.operation, self.theirs, self.ours, self.ratio, self.target, self.met


def a_second(value: float) -> str:
    return f"{value:,.0f} /s"


def at_least(value: float, target: float | None) -> tuple[str, str, str]:
    text = f"{value:.2f}" if value < 10 else f"{value:.0f}"
    if target is None:
        return text, "", ""
    return text, f"at least {target:g}", "yes" if value >= target else "no"


def at_most(value: float, target: float, show: Callable[[float], str]) -> tuple[str, str]:
    return f"at most {show(target)}", "yes" if value <= target else "no"


def faster(operation: str, pair: Pair, target: float | None) -> Row:
    """A row of two times and how many times the second goes into the first."""
    ratio = at_least(pair.theirs / pair.ours, target)
    return Row(operation, seconds(pair.theirs), seconds(pair.ours), *ratio, pair, "s")


def more(operation: str, pair: Pair, target: float | None) -> Row:
    """A row of how much each does in a second, and how many times more the second does."""
    ratio = at_least(pair.ours / pair.theirs, target)
    return Row(operation, a_second(pair.theirs), a_second(pair.ours), *ratio, pair, "/s")


def in_turn(measures: Sequence[Callable[[], float]], repeats: int) -> list[float]:
    """The median of each, all taking turns."""
    samples: list[list[float]] = [[] for _ in measures]
    for _ in range(repeats):
        for measure, sample in zip(measures, samples, strict=True):
            sample.append(measure())
    return [statistics.median(sample) for sample in samples]


def both(measure: Callable[[Any], float], repeats: int) -> Pair:
    theirs, ours = in_turn([lambda: measure(FORK), lambda: measure(OURS)], repeats)
    return Pair(theirs, ours)


def stopwatch(statement: str, names: dict[str, Any], timing: float) -> Callable[[], float]:
    """A function that returns how long the statement takes, over about so many seconds."""
    timer = timeit.Timer(statement, globals=names)
    number = 1
    while (spent := timer.timeit(number)) < timing / 4:
        number *= 2
    number = max(1, round(number * timing / spent))
    return lambda: timer.timeit(number) / number


def time_statement(statement: str, made: tuple[Any, ...], effort: Effort) -> list[float]:
    """Time a statement about ``x``, which is each of these in turn."""
    watches = [stopwatch(statement, {"x": x}, effort.timing) for x in made]
    return in_turn(watches, effort.repeats)


def statement_row(
    operation: str, statement: str, made: tuple[Any, Any], target: float | None, effort: Effort
) -> Row:
    """Time a statement about ``x``, which is first theirs and then ours."""
    return faster(operation, Pair(*time_statement(statement, made, effort)), target)


def unrivalled_row(operation: str, statement: str, made: object, effort: Effort) -> Row:
    """Time a statement about what multiprocessing does not have."""
    (ours,) = time_statement(statement, (made,), effort)
    return Row(operation, "", seconds(ours), numbers=(None, ours), unit="s")
