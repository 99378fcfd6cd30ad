"""The journals of all processes of a program, put together."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from latchwork.errors import CorruptError
from latchwork.profiling.journal import HOLDING, SUFFIX, Journal, Row, changed_at, read


@dataclass(frozen=True, slots=True)
class Line:
    """All that was done with one primitive at one call site, by all processes; times in seconds."""

    primitive: str
    """Its title: ``Lock 'build'``."""
    site: str
    """``file:line in function``."""
    mode: str
    """``held``, ``read``, ``write``, ``permit``: what was acquired; ``wait``: what was waited for; or
    ``signal``: a set(), notify(), count_down(), or the release of what was acquired elsewhere."""
    processes: int
    count: int
    """How often it succeeded."""
    contended: int
    """How often it took 2 µs or more: then it had to wait."""
    waited: float
    waited_max: float
    share: float
    """Of all time that was waited."""
    timed_out: int
    interrupted: int
    failed: int
    held: float
    held_max: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What a program has recorded, up to the moment of reading."""

    directory: str
    journals: tuple[Journal, ...]
    lines: tuple[Line, ...]
    """Longest waited for first."""

    @property
    def program(self) -> str:
        """The script that began it."""
        return self.journals[0].program if self.journals else "?"

    @property
    def dropped(self) -> int:
        """How many events found no room: missing in a trace, while the sums have them."""
        return sum(journal.dropped for journal in self.journals)

    @property
    def events(self) -> int:
        """How many there are for a trace."""
        return sum(len(journal.events) for journal in self.journals)


def load(directory: str | os.PathLike[str]) -> Profile:
    """Read the journals of a program that runs, has ended or was killed.

    ``CorruptError`` if one is none, or if there are none at all; ``VersionError``.
    """
    path = os.fspath(directory)
    names = sorted(name for name in os.listdir(path) if name.endswith(SUFFIX))
    found = [read(os.path.join(path, name)) for name in names]
    journals = sorted((one for one in found if one is not None), key=lambda one: one.began)
    return Profile(path, tuple(journals), tuple(_lines(journals)))


def runs(directory: str | os.PathLike[str]) -> list[str]:
    """The directories of journals here: this one, or those in it, oldest first."""
    path = os.fspath(directory)
    inside = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    candidates = [path, *inside]
    return sorted((one for one in candidates if has_journals(one)), key=changed_at)


def newest(directory: str | os.PathLike[str]) -> str:
    """The directory of the last run in here. ``CorruptError`` if there is none."""
    found = runs(directory)
    if not found:
        raise CorruptError(f"{os.fspath(directory)} holds no journals: nothing was recorded there")
    return found[-1]


def has_journals(path: str) -> bool:
    """Whether it is the directory of a run; not of one that has been removed meanwhile."""
    try:
        return any(name.endswith(SUFFIX) for name in os.listdir(path))
    except (PermissionError, FileNotFoundError):
        return False


def _lines(journals: Iterable[Journal]) -> list[Line]:
    rows: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for journal in journals:
        for row in journal.rows:
            if row.count or row.timed_out or row.interrupted or row.failed:
                rows[row.primitive, row.site, row.mode].append(row)
    waits = [row for some in rows.values() for row in some if row.mode != "signal"]
    everything = sum(row.waited for row in waits)
    lines = [_line(some, everything) for some in rows.values()]
    return sorted(lines, key=lambda line: (-line.waited, -line.held, line.primitive, line.site))


def _line(rows: list[Row], everything: int) -> Line:
    first = rows[0]

    def total(field: Callable[[Row], int]) -> int:
        return sum(map(field, rows))

    waited = total(lambda row: row.waited) if first.mode != "signal" else 0
    return Line(
        first.primitive.title,
        str(first.site),
        first.mode,
        processes=len(rows),
        count=total(lambda row: row.count),
        contended=total(lambda row: row.contended) if first.mode != "signal" else 0,
        waited=waited / 1e9,
        waited_max=max(row.waited_max for row in rows) / 1e9 if first.mode != "signal" else 0.0,
        share=waited / everything if everything else 0.0,
        timed_out=total(lambda row: row.timed_out),
        interrupted=total(lambda row: row.interrupted),
        failed=total(lambda row: row.failed),
        held=total(lambda row: row.held_time) / 1e9 if first.mode in HOLDING else 0.0,
        held_max=max(row.held_max for row in rows) / 1e9,
    )
