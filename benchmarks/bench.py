"""Measure Latchwork beside multiprocessing, in one run, on this machine and this Python.

    python benchmarks/bench.py [--quick] [--markdown]

Every number is the median of several repeats, and the rivals take turns, so that whatever else the
machine does meets both. The targets are for an idle machine. A missed one is marked and changes no exit
status: this is no gate. What is measured: ``latchwork.bench`` (of
which `latchwork bench` shows most), and ``topics/``.
"""

import argparse
import sys

from topics import awaiting, coroutines, costs, crowds, profiling, raw, seeing

from latchwork.bench import Part, alone, contention, deaths, measure, wakeups
from latchwork.bench.measuring import FULL, QUICK
from latchwork.bench.table import machine, show

PARTS: tuple[Part, ...] = (
    *alone.PARTS,
    wakeups.by_set,
    raw.by_set,
    wakeups.by_notify,
    wakeups.many,
    wakeups.meeting,
    contention.locks,
    contention.semaphores,
    contention.readers,
    costs.blocked,
    deaths.owners,
    deaths.others,
    costs.memory,
    coroutines.alone,
    awaiting.hand_over,
    awaiting.owner_killed,
    crowds.idle,
    crowds.scale,
    profiling.off,
    profiling.on,
    seeing.watched,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats: a minute or so")
    parser.add_argument("--markdown", action="store_true", help="print a table for GitHub")
    options = parser.parse_args()
    print(machine(), end="\n\n", flush=True)
    rows = []
    for row in measure(PARTS, QUICK if options.quick else FULL):
        rows.append(row)
        if sys.stderr.isatty():
            print(f"{row.operation}: {row.ours}", file=sys.stderr)
    print(show(rows, options.markdown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
