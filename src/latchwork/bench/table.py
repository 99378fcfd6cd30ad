"""The table of what was measured, and on what."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import latchwork
from latchwork._showing import aligned, widths
from latchwork.bench.measuring import Row

HEADER = ("operation", "multiprocessing", "latchwork", "ratio", "target", "met")


def show(rows: Sequence[Row], markdown: bool = False, columns: int = len(HEADER)) -> str:
    """The table, with its first columns."""
    lines = [HEADER[:columns], *(row.cells[:columns] for row in rows)]
    wide = widths(lines)
    bar = "| {} |" if markdown else "{}"
    between = " | " if markdown else "  "
    padded = aligned(lines, wide, {0})
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(wide)]
    padded.insert(1, rule if markdown else ["-" * width for width in wide])
    return "\n".join(bar.format(between.join(line)).rstrip() for line in padded)


def processor() -> str:
    """What the CPU is called."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def machine() -> str:
    """What it was measured on."""
    return (
        f"{processor()} ({platform.machine()}), {len(os.sched_getaffinity(0))} CPUs, "
        f"Linux {platform.release()}\n"
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"latchwork {latchwork.__version__}, load {os.getloadavg()[0]:.1f}"
    )
