"""Measure Latchwork beside multiprocessing, in one run, on this machine and this Python.

    python benchmarks/bench.py [--quick] [--markdown]

Every number is the median of several repeats, and the rivals take turns, so that whatever else the
machine does meets both. The targets are for an idle machine. A missed one is marked and changes no exit
status: this is no gate.
"""

import argparse
import ctypes
import itertools
import logging
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray, RawValue
from pathlib import Path
from typing import Any, NamedTuple

import latchwork
from latchwork import program

FORK: Any = multiprocessing.get_context("fork")
OURS: Any = latchwork.get_context("fork")
RIVALS = (FORK, OURS)
HEADER = ("operation", "multiprocessing", "latchwork", "ratio", "target", "met")
PATIENCE = 60.0
BATCH = 20
CROWD = 100
WAITERS = 3


@dataclass(frozen=True)
class Effort:
    """How much of everything."""

    repeats: int
    timing: float
    round_trips: int
    crowds: int
    turns: int
    kills: int


FULL = Effort(repeats=9, timing=0.1, round_trips=5000, crowds=9, turns=5, kills=100)
QUICK = Effort(repeats=5, timing=0.02, round_trips=1000, crowds=3, turns=1, kills=100)


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


def seconds(value: float) -> str:
    """Write a time with three digits and a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 999.5 * size else f"{value:.0f} {unit}"
    return f"{value * 1e9:.3g} ns"


def at_least(value: float, target: float) -> tuple[str, str, str]:
    text = f"{value:.2f}" if value < 10 else f"{value:.0f}"
    return text, f"at least {target:g}", "yes" if value >= target else "no"


def at_most(value: float, target: float, show: Callable[[float], str]) -> tuple[str, str]:
    return f"at most {show(target)}", "yes" if value <= target else "no"


def faster(operation: str, pair: Pair, target: float) -> Row:
    """A row of two times and how many times the second goes into the first."""
    ratio = at_least(pair.theirs / pair.ours, target)
    return Row(operation, seconds(pair.theirs), seconds(pair.ours), *ratio)


def in_turn(measures: list[Callable[[], float]], repeats: int) -> list[float]:
    """The median of each, all taking turns."""
    samples: list[list[float]] = [[] for _ in measures]
    for _ in range(repeats):
        for measure, sample in zip(measures, samples, strict=True):
            sample.append(measure())
    return [statistics.median(sample) for sample in samples]


def both(measure: Callable[[Any], float], repeats: int) -> Pair:
    theirs, ours = in_turn([lambda: measure(FORK), lambda: measure(OURS)], repeats)
    return Pair(theirs, ours)


# One process.


def stopwatch(statement: str, names: dict[str, Any], timing: float) -> Callable[[], float]:
    """A function that returns how long the statement takes, over about so many seconds."""
    timer = timeit.Timer(statement, globals=names)
    number = 1
    while (spent := timer.timeit(number)) < timing / 4:
        number *= 2
    number = max(1, round(number * timing / spent))
    return lambda: timer.timeit(number) / number


def statement_row(
    operation: str, statement: str, made: tuple[Any, Any], target: float, effort: Effort
) -> Row:
    """Time a statement about ``x``, which is first the one and then the other."""
    watches = [stopwatch(statement, {"x": x}, effort.timing) for x in made]
    theirs, ours = in_turn(watches, effort.repeats)
    return faster(operation, Pair(theirs, ours), target)


def primitives_alone(effort: Effort) -> Iterator[Row]:
    locks = (FORK.Lock(), OURS.Lock())
    events = (FORK.Event(), OURS.Event())
    yield statement_row("`with lock:` uncontended", "with x:\n pass", locks, 2.5, effort)
    yield beside_threading(locks[1], effort)
    statement = "x.acquire(); x.release()"
    yield statement_row("`acquire()` + `release()`", statement, locks, 1.2, effort)
    yield statement_row("`event.is_set()`", "x.is_set()", events, 20, effort)
    statement = "x.set(); x.clear()"
    yield statement_row("`set()` + `clear()`, nobody waits", statement, events, 12, effort)
    for event in events:
        event.set()
    yield statement_row("`event.wait()` on a set event", "x.wait()", events, 15, effort)


def beside_threading(lock: Any, effort: Effort) -> Row:
    """No target: between threads alone there is no cheaper lock than the interpreter's own."""
    made = (threading.Lock(), lock)
    watches = [stopwatch("with x:\n pass", {"x": x}, effort.timing) for x in made]
    theirs, ours = in_turn(watches, effort.repeats)
    plain = f"{seconds(theirs)} (threading)"
    return Row("the same, beside `threading.Lock`", plain, seconds(ours), f"{theirs / ours:.2f}")


def creation(effort: Effort) -> Iterator[Row]:
    # The statement runs inside of timeit's function, so each one is new and not the program's one.
    yield statement_row("creating and dropping a Lock", "x.Lock()", RIVALS, 10, effort)
    yield statement_row("creating and dropping an Event", "x.Event()", RIVALS, 40, effort)


def managers(effort: Effort) -> Iterator[Row]:
    with FORK.Manager() as theirs, OURS.Manager() as ours:
        events = (theirs.Event(), ours.Event())
        yield statement_row("`Manager().Event().is_set()`", "x.is_set()", events, 500, effort)
        locks = (theirs.Lock(), ours.Lock())
        yield statement_row("`with manager_lock:`", "with x:\n pass", locks, 300, effort)


# Several processes.


@contextmanager
def running(
    target: Callable[..., None], calls: list[tuple[Any, ...]]
) -> Iterator[list[BaseProcess]]:
    """A process for each call; at the end all have ended, by themselves unless something went wrong."""
    processes: list[BaseProcess] = []
    try:
        for arguments in calls:
            processes.append(FORK.Process(target=target, args=arguments))
            processes[-1].start()
        yield processes
        for process in processes:
            process.join(PATIENCE)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {PATIENCE:.0f} s")
        time.sleep(0.001)


def sleep_mark(pid: int) -> str | None:
    """What changes whenever the process runs; None while it doesn't sleep."""
    text = Path(f"/proc/{pid}/status").read_text()
    if "\nState:\tS" not in text:
        return None
    return text[text.index("\nvoluntary_ctxt_switches") :]


def wait_till_asleep(processes: list[BaseProcess], ready: Any) -> None:
    """Until all have come to the call that blocks, sleep, and have not run between two looks.

    Each says that it is there just before the call. A single look at one after the other could catch
    some that only wait for a short lock inside of it, while its owner has not been looked at yet.
    """
    before: list[str | None] = []

    def asleep() -> bool:
        nonlocal before
        last, before = before, [sleep_mark(process.pid or 0) for process in processes]
        return all(ready) and None not in before and before == last

    until(asleep)


def cpu_pair() -> tuple[int, int]:
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[-1]


def play(mine: Any, other: Any, first: bool, cpu: int, rounds: int, result: Any) -> None:
    os.sched_setaffinity(0, {cpu})
    warm_up = 200
    start = 0.0
    for i in range(warm_up + rounds):
        if i == warm_up:
            start = time.monotonic()
        if first:
            other.set()
        mine.wait()
        mine.clear()
        if not first:
            other.set()
    if first:
        result.value = (time.monotonic() - start) / rounds / 2


def ping_pong(context: Any, rounds: int) -> float:
    """Half a round trip between two CPUs: from set() till the other process runs."""
    ping, pong, result = context.Event(), context.Event(), RawValue(ctypes.c_double)
    one, two = cpu_pair()
    calls = [(ping, pong, True, one, rounds, result), (pong, ping, False, two, rounds, result)]
    with running(play, calls):
        pass
    if not result.value:
        raise TimeoutError("the ping-pong did not come to an end")
    return float(result.value)


def compile_ping_pong(directory: str) -> str | None:
    """The raw ping-pong, or None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    binary = os.path.join(directory, "futex_pingpong")
    source = Path(__file__).with_name("futex_pingpong.c")
    subprocess.run([compiler, "-std=c11", "-O2", "-o", binary, str(source)], check=True)
    return binary


def raw_ping_pong(binary: str, rounds: int) -> float:
    command = [binary, str(rounds), *map(str, cpu_pair())]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return float(done.stdout) * 1e-9


def wake_up(effort: Effort) -> Iterator[Row]:
    rounds = effort.round_trips
    with tempfile.TemporaryDirectory(prefix="latchwork-bench-") as directory:
        binary = compile_ping_pong(directory)
        measures = [lambda: ping_pong(FORK, rounds), lambda: ping_pong(OURS, rounds)]
        if binary is not None:
            measures.append(lambda: raw_ping_pong(binary, rounds))
        theirs, ours, *raw = in_turn(measures, effort.repeats)
    where = "another" if len(set(cpu_pair())) == 2 else "the same"
    yield faster(f"wake-up of a process on {where} CPU by `set()`", Pair(theirs, ours), 2.2)
    operation = "the same, beside a raw futex in C"
    if not raw:
        yield Row(operation, "no C compiler", seconds(ours))
        return
    times = ours / raw[0]
    target = at_most(times, 1.5, lambda value: f"{value:g} times")
    yield Row(operation, f"{seconds(raw[0])} (C)", seconds(ours), f"{times:.2f} times", *target)


def be_woken(events: list[Any], place: int, ready: list[Any], woken: list[Any], gate: int) -> None:
    for event, here, awake in zip(events, ready, woken, strict=True):
        here[place] = 1
        event.wait()
        awake[place] = time.monotonic()
        os.read(gate, 1)  # to go on, or to end, would disturb those that still have to wake


def crowd(context: Any) -> float:
    """From set() till the last of a hundred sleepers runs.

    Each is woken twice, and the second time counts: at the first, what takes long is to copy the pages
    that a forked child has not written to yet.
    """
    events = [context.Event() for _ in range(2)]
    ready = [RawArray(ctypes.c_byte, CROWD) for _ in events]
    woken = [RawArray(ctypes.c_double, CROWD) for _ in events]
    inside, outside = os.pipe()
    try:
        calls = [(events, place, ready, woken, inside) for place in range(CROWD)]
        with running(be_woken, calls) as processes:
            for event, here, awake in zip(events, ready, woken, strict=True):
                wait_till_asleep(processes, here)
                start = time.monotonic()
                event.set()
                until(partial(all, awake))
                os.write(outside, bytes(CROWD))
    finally:
        os.close(inside)
        os.close(outside)
    return float(max(woken[-1]) - start)


def broadcast(effort: Effort) -> Iterator[Row]:
    operation = f"{CROWD} processes woken by one `set()`: last one awake"
    yield faster(operation, both(crowd, effort.crowds), 2.5)


def take_turns(lock: Any, place: int, start: Any, end: Any, counts: Any) -> None:
    count = 0
    start.wait()
    stop = end.value
    while time.monotonic() < stop:
        for _ in range(BATCH):
            with lock:
                pass
        count += BATCH
    counts[place] = count


def watch_turns(lock: Any, place: int, start: Any, end: Any, worst: Any) -> None:
    """The same, but time every wait: which slows it down, so it doesn't count for the throughput."""
    clock, longest = time.monotonic, 0.0
    start.wait()
    stop = end.value
    while (before := clock()) < stop:
        with lock:
            waited = clock() - before
        if waited > longest:
            longest = waited
    worst[place] = longest


def hand_round(context: Any, work: Callable[..., None], count: int) -> list[float]:
    """Let so many processes do that with one lock for a second; what each has written."""
    results, end = RawArray(ctypes.c_double, count), RawValue(ctypes.c_double)
    lock, start = context.Lock(), FORK.Barrier(count + 1)
    calls = [(lock, place, start, end, results) for place in range(count)]
    with running(work, calls):
        until(lambda: start.n_waiting == count)
        end.value = time.monotonic() + 1
        start.wait()
    return list(results)


def turns(effort: Effort) -> Iterator[Row]:
    for count in (2, 4, 8):
        shares = Shares()
        pair = both(partial(shares.measure, count), effort.turns)
        theirs, ours = f"{pair.theirs:,.0f} /s", f"{pair.ours:,.0f} /s"
        ratio = at_least(pair.ours / pair.theirs, 1)
        yield Row(f"lock handed round {count} processes", theirs, ours, *ratio)
        yield shares.row()
        yield longest_wait(count, effort)


class Shares:
    """The smallest part of its fair share that any process got in any second."""

    def __init__(self) -> None:
        self.least = {id(context): 1.0 for context in RIVALS}

    def measure(self, count: int, context: Any) -> float:
        counts = hand_round(context, take_turns, count)
        share = min(counts) * count / sum(counts)
        self.least[id(context)] = min(share, self.least[id(context)])
        return sum(counts)

    def row(self) -> Row:
        theirs, ours = (self.least[id(context)] for context in RIVALS)
        target = ("", *at_least(ours, 0.5)[1:])
        return Row("- smallest part of a fair share", f"{theirs:.2f}", f"{ours:.2f}", *target)


def longest_wait(count: int, effort: Effort) -> Row:
    worst = [0.0, 0.0]
    for _, (i, context) in itertools.product(range(effort.turns), enumerate(RIVALS)):
        worst[i] = max(worst[i], *hand_round(context, watch_turns, count))
    target = at_most(worst[1], 0.05, seconds)
    return Row("- longest single wait", seconds(worst[0]), seconds(worst[1]), "", *target)


# Blocked, dead, and how large.


def block(call: Callable[[], object], place: int, ready: Any, used: Any) -> None:
    before = time.process_time()
    ready[place] = 1
    call()
    used[place] = time.process_time() - before


def blocked(effort: Effort) -> Iterator[Row]:
    """All four at once: they should not disturb each other."""
    locks = [context.Lock() for context in RIVALS]
    events = [context.Event() for context in RIVALS]
    waits = [lock.acquire for lock in locks] + [event.wait for event in events]
    ready, used = RawArray(ctypes.c_byte, 4), RawArray(ctypes.c_double, [-1.0] * 4)
    for lock in locks:
        lock.acquire()
    with running(
        block, [(wait, place, ready, used) for place, wait in enumerate(waits)]
    ) as processes:
        wait_till_asleep(processes, ready)
        time.sleep(3)
        for lock, event in zip(locks, events, strict=True):
            lock.release()
            event.set()
    for i, what in enumerate(("`lock.acquire()`", "`event.wait()`")):
        theirs, ours = used[2 * i], used[2 * i + 1]
        operation = f"CPU time of 3 s blocked in {what}"
        target = at_most(ours, 0.01, seconds)
        yield Row(operation, seconds(theirs), seconds(ours), "", *target)


def own(lock: Any, ready: Any) -> None:
    lock.acquire()
    ready[0] = 1
    time.sleep(PATIENCE)


def inherit(lock: Any, place: int, ready: Any, got: Any, timeout: float) -> None:
    ready[place] = 1
    if lock.acquire(timeout=timeout):
        got[place] = time.monotonic()
        lock.release()


def kill_owner(context: Any, timeout: float) -> float:
    """From the owner's death till the first of those who wait has the lock; infinite if none gets it."""
    lock, owned = context.Lock(), RawArray(ctypes.c_byte, 1)
    ready, got = RawArray(ctypes.c_byte, WAITERS), RawArray(ctypes.c_double, WAITERS)
    calls = [(lock, place, ready, got, timeout) for place in range(WAITERS)]
    with running(own, [(lock, owned)]) as (owner,):
        until(lambda: bool(owned[0]))
        with running(inherit, calls) as processes:
            wait_till_asleep(processes, ready)
            start = time.monotonic()
            owner.kill()
    return min((when - start for when in got if when), default=float("inf"))


def death(effort: Effort) -> Iterator[Row]:
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)  # each abandoned lock is a warning
    limit = 2.0
    hung = kill_owner(FORK, limit)
    theirs = seconds(hung) if hung < limit else "never"
    waits = sorted(kill_owner(OURS, PATIENCE) for _ in range(effort.kills))
    middle, late = statistics.median(waits), waits[len(waits) * 99 // 100 - 1]
    operation = f"owner killed, {WAITERS} wait: next one has it (median)"
    yield Row(operation, theirs, seconds(middle))
    operation = f"- 99 of {effort.kills} within"
    yield Row(operation, theirs, seconds(late), "", *at_most(late, 0.005, seconds))


def file_system_use() -> int:
    use = os.statvfs("/dev/shm")
    return (use.f_blocks - use.f_bfree) * use.f_frsize


def memory(effort: Effort) -> Iterator[Row]:
    arena, many = program.arena(), 1000
    before = file_system_use()
    theirs = [FORK.Lock() for _ in range(many)]
    each = (file_system_use() - before) / many
    theirs.clear()
    slots, size = arena.counts()["ready"], os.fstat(arena.fd).st_blocks * 512
    ours = [OURS.Lock() for _ in range(100 * many)]
    counts = arena.counts()
    grown = (os.fstat(arena.fd).st_blocks * 512 - size) / (counts["ready"] - slots)
    del ours
    target = at_most(grown, 64, lambda value: f"{value:g} B")
    yield Row("shared memory a Lock", f"{each:.0f} B", f"{grown:.1f} B", "", *target)
    used = f"{counts['live']:,} in {counts['used']:,}"
    yield Row(f"- {100 * many:,} alive: slots used", "", used)


PARTS: tuple[Callable[[Effort], Iterator[Row]], ...] = (
    primitives_alone,
    creation,
    managers,
    wake_up,
    broadcast,
    turns,
    blocked,
    death,
    memory,
)


def measure_all(effort: Effort) -> Iterator[Row]:
    """All rows; a part that fails is one row that says so, and the others go on."""
    for part in PARTS:
        try:
            yield from part(effort)
        except Exception as error:
            yield Row(f"{part.__name__}: {error!r}", "failed", "failed")


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
    parser.add_argument("--quick", action="store_true", help="fewer repeats: less than a minute")
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
