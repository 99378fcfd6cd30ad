"""The summary table, in plain text."""

import os
import sys

from latchwork.profiling import recording
from latchwork.profiling.merging import Line, Profile, load
from latchwork.profiling.trace import write

HEADER = (
    *("primitive", "where", "what", "times", "waited", "in all", "at most", "share"),
    *("held in all", "at most", "not had"),
)
LEFT = frozenset({0, 1, 2})
LINES = 40
AT_ONCE = 300_000
"""Of more events than these a trace is made when it is asked for, and not while a program ends."""


def seconds(value: float) -> str:
    """Write a time with three digits and a unit that suits it."""
    if not value:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 999.5 * size else f"{value:.0f} {unit}"
    return f"{value * 1e9:.3g} ns"


def cells(line: Line) -> tuple[str, ...]:
    """What stands in each column."""
    missed = (
        (line.timed_out, "timed out"),
        (line.interrupted, "interrupted"),
        (line.failed, "failed"),
    )
    return (
        *(line.primitive, line.site, line.mode, f"{line.count:,}"),
        f"{line.contended:,}" if line.mode != "signal" else "-",
        *(seconds(line.waited), seconds(line.waited_max)),
        f"{line.share:.0%}" if line.mode != "signal" else "-",
        *(seconds(line.held), seconds(line.held_max)),
        ", ".join(f"{count:,} {what}" for count, what in missed if count) or "-",
    )


def remarks(profile: Profile, shown: int) -> list[str]:
    """What a reader must know beside the table."""
    told = []
    if len(profile.lines) > shown:
        told.append(f"{len(profile.lines) - shown} more lines are not shown.")
    if profile.dropped:
        told.append(
            f"{profile.dropped:,} events were dropped: the table has them, a trace has not "
            f"({recording.EVENTS_ENVIRONMENT}, {recording.EVENTS:,} a process, makes more room)."
        )
    return told


def title(profile: Profile) -> str:
    """What the table is about."""
    count = len(profile.journals)
    processes = "1 process" if count == 1 else f"{count} processes"
    return f"Latchwork: what {profile.program} waited for and held, in {processes}"


def summary(profile: Profile, most: int = LINES) -> str:
    """The table, longest waited for first."""
    shown = profile.lines[:most]
    rows = [HEADER, *map(cells, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    rows.insert(1, tuple("-" * width for width in widths))
    text = [
        "  ".join(
            cell.ljust(widths[i]) if i in LEFT else cell.rjust(widths[i])
            for i, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([title(profile), *text, *remarks(profile, len(shown))])


def report() -> str:
    """The table of what this program, all its processes, has recorded up to now.

    RuntimeError if nothing is being recorded.
    """
    directory = recording.where()
    if directory is None:
        raise RuntimeError(
            "nothing is recorded: call latchwork.profiling.start() first, "
            f"or set {recording.ENVIRONMENT}"
        )
    return summary(load(directory))


def tell(directory: str, *, trace: bool) -> None:
    """Print the table on stderr, at the end of the program, and write its trace."""
    profile = load(directory)
    if not profile.journals:
        return
    print(summary(profile), file=sys.stderr)
    if trace and profile.events > AT_ONCE:
        told = f"Its trace, of {profile.events:,} events: latchwork trace {directory} -o trace.json"
        print(told, file=sys.stderr)
    elif trace:
        path = os.path.join(directory, "trace.json")
        write(profile, path)
        print(f"Its trace, for https://ui.perfetto.dev: {path}", file=sys.stderr)
