"""A wake-up beside the least that one can cost: a futex and nothing else, in C."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from latchwork.bench.measuring import OURS, Effort, Row, at_most, in_turn, seconds
from latchwork.bench.processes import PATIENCE, cpu_pair
from latchwork.bench.wakeups import event_ping_pong


def compile_ping_pong(directory: str) -> str | None:
    """The raw ping-pong, or None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    binary = os.path.join(directory, "futex_pingpong")
    source = Path(__file__).parent.with_name("futex_pingpong.c")
    subprocess.run([compiler, "-std=c11", "-O2", "-o", binary, str(source)], check=True)
    return binary


def raw_ping_pong(binary: str, rounds: int) -> float:
    command = [binary, str(rounds), *map(str, cpu_pair())]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return float(done.stdout) * 1e-9


def by_set(effort: Effort) -> Iterator[Row]:
    operation = "the same, beside a raw futex in C"
    ours = partial(event_ping_pong, effort.round_trips, OURS)
    with tempfile.TemporaryDirectory(prefix="latchwork-bench-") as directory:
        binary = compile_ping_pong(directory)
        if binary is None:
            yield Row(operation, "no C compiler", seconds(ours()))
            return
        raw = partial(raw_ping_pong, binary, effort.round_trips)
        taken, least = in_turn([ours, raw], effort.repeats)
    times = taken / least
    target = at_most(times, 1.5, lambda value: f"{value:g} times")
    yield Row(operation, f"{seconds(least)} (C)", seconds(taken), f"{times:.2f} times", *target)
