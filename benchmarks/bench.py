"""Measure Latchwork beside multiprocessing, in one run, on this machine and this Python.

    python benchmarks/bench.py [--quick] [--markdown]

Every number is the median of several repeats, and the rivals take turns, so that whatever else the
machine does meets both. The targets are for an idle machine. A missed one is marked and changes no exit
status: this is no gate. What is measured: ``topics/``.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from topics import (
    alone,
    awaiting,
    contention,
    coroutines,
    costs,
    crowds,
    deaths,
    profiling,
    wakeups,
)
from topics.measuring import FULL, QUICK, Effort, Row

import latchwork

HEADER = ("operation", "multiprocessing", "latchwork", "ratio", "target", "met")

PARTS: tuple[Callable[[Effort], Iterator[Row]], ...] = (
    alone.locks,
    alone.events,
    alone.semaphores,
    alone.conditions,
    alone.without_a_rival,
    alone.creation,
    alone.managers,
    wakeups.one,
    wakeups.many,
    wakeups.meeting,
    contention.locks,
    contention.semaphores,
    contention.readers,
    costs.blocked,
    deaths.deaths,
    costs.memory,
    coroutines.alone,
    awaiting.hand_over,
    awaiting.owner_killed,
    crowds.idle,
    crowds.scale,
    profiling.off,
    profiling.on,
)


def measure_all(effort: Effort) -> Iterator[Row]:
    """All rows; a part that fails is one row that says so, and the others go on."""
    for part in PARTS:
        try:
            yield from part(effort)
        except Exception as error:
            name = f"{part.__module__}.{part.__name__}"
            yield Row(f"{name}: {error!r}", "failed", "failed")


def show(rows: list[Row], markdown: bool) -> str:
    lines = [HEADER, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    bar = "| {} |" if markdown else "{}"
    between = " | " if markdown else "  "
    padded = [
        [cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line)]
        for line in lines
    ]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    padded.insert(1, rule if markdown else ["-" * width for width in widths])
    return "\n".join(bar.format(between.join(line)).rstrip() for line in padded)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def machine() -> str:
    return (
        f"{processor()} ({platform.machine()}), {len(os.sched_getaffinity(0))} CPUs, "
        f"Linux {platform.release()}\n"
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"latchwork {latchwork.__version__}, load {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats: a minute or so")
    parser.add_argument("--markdown", action="store_true", help="print a table for GitHub")
    options = parser.parse_args()
    print(machine(), end="\n\n", flush=True)
    rows = []
    for row in measure_all(QUICK if options.quick else FULL):
        rows.append(row)
        if sys.stderr.isatty():
            print(f"{row.operation}: {row.ours}", file=sys.stderr)
    print(show(rows, options.markdown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
