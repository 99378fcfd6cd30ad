"""The summary table, in plain text."""

import os
import sys

from latchwork._showing import aligned, seconds, widths
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


def _time(value: float) -> str:
    return seconds(value) if value else "-"


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
        *(_time(line.waited), _time(line.waited_max)),
        f"{line.share:.0%}" if line.mode != "signal" else "-",
        *(_time(line.held), _time(line.held_max)),
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
    wide = widths(rows)
    rows.insert(1, tuple("-" * width for width in wide))
    text = ["  ".join(row).rstrip() for row in aligned(rows, wide, LEFT)]
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
