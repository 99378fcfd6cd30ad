"""``latchwork tour``: real processes show what Latchwork does, with what it measured on this machine."""

import ctypes
import importlib.util
import logging
import multiprocessing
import os
import signal
import statistics
import sys
import textwrap
import time
import timeit
from multiprocessing.sharedctypes import RawArray
from typing import Any

import latchwork
from latchwork import cli
from latchwork._stat import state_of

# At module level, and passed to nobody: the spawned children below find this very one.
ready = latchwork.Event()
# Made here, each is told from the other by its line.
left = latchwork.RLock(deadlock="raise")
right = latchwork.RLock(deadlock="raise")

TURNS = 2000
PROCESSES = 10
PATIENCE = 2.0
KILLS = 5


def say(text: str = "") -> None:
    """Show a line at once."""
    print(text, flush=True)


def _take_turns(lock: Any, counter: Any, number: int) -> None:
    for _ in range(TURNS):
        with lock:
            counter[0] += 1  # not atomic: without the lock some would be lost
    counter[1 + number] = os.getpid()


def turns() -> None:
    """Let ten processes take turns under a Lock."""
    say(f"1. {PROCESSES} processes take turns under a Lock: {TURNS} times each, a plain counter.")
    lock = latchwork.Lock()
    counter = RawArray(ctypes.c_long, 1 + PROCESSES)
    ctx = latchwork.get_context("fork")
    children = [
        ctx.Process(target=_take_turns, args=(lock, counter, number)) for number in range(PROCESSES)
    ]
    before = time.monotonic()
    for child in children:
        child.start()
    for child in children:
        child.join()
    took = time.monotonic() - before
    pids = len(set(counter[1:]))
    say(f"   {counter[0]:,} of {PROCESSES * TURNS:,} counted by {pids} processes in {took:.2f} s.")


def _say_ready() -> None:
    ready.set()


def module_level() -> None:
    """Share a module-level Event with spawned children that were not passed it."""
    say("2. A module-level Event, and a spawned child that imports the module again:")
    ready.clear()
    child = latchwork.get_context("spawn").Process(target=_say_ready)
    child.start()
    seen = ready.wait(30)
    child.join()
    say(f"   latchwork: the parent {'sees' if seen else 'does NOT see'} the child's set().")
    say(
        "   multiprocessing: the child makes a second, unrelated Event, and the parent waits for ever."
    )


def manager() -> None:
    """Hand out a Manager's Event without a server."""
    say("3. A Manager's Event, in a child:")
    with latchwork.Manager() as ours:
        event = ours.Event()
        child = latchwork.get_context("fork").Process(target=event.set)
        child.start()
        seen = event.wait(30)
        child.join()
        server = "was started" if getattr(ours, "_process", None) else "was needed"
        mine = _nanoseconds("event.is_set()", 200_000, event=event)
    with multiprocessing.Manager() as theirs:
        proxy = theirs.Event()
        other = _nanoseconds("event.is_set()", 500, event=proxy)
    say(f"   set in the child, seen in the parent: {seen}; no server process {server}.")
    say(f"   is_set(): {mine:.0f} ns; through multiprocessing's server: {other:,.0f} ns.")


def _hold(lock: Any, said: Any) -> None:
    lock.acquire()
    said.send("held")
    signal.pause()


def _take(lock: Any, said: Any) -> None:
    logging.getLogger("latchwork").setLevel(logging.ERROR)
    said.send("waiting")
    got = lock.acquire(True, PATIENCE)
    said.send((got, time.monotonic(), got and getattr(lock, "abandoned", False)))


def _killed_holder(library: Any) -> tuple[bool, float, bool]:
    """Kill -9 a holder while another one waits: whether that one got the lock, after how long."""
    lock = library.Lock()
    ctx = library.get_context("fork")
    said, saying = ctx.Pipe()
    children = []
    for target in (_hold, _take):
        child = ctx.Process(target=target, args=(lock, saying), daemon=True)
        child.start()
        said.recv()
        children.append(child)
    _until_asleep(children[1].pid)
    killed = time.monotonic()
    os.kill(children[0].pid, signal.SIGKILL)
    got, when, told = said.recv()
    for child in children:
        child.kill()
        child.join()
    return got, when - killed, told


def _until_asleep(pid: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if state_of(pid) == "S":
            return


def kill() -> None:
    """Kill a holder, here and there."""
    say("4. kill -9 of the process that holds the lock, while another one waits:")
    results = [_killed_holder(latchwork) for _ in range(KILLS)]
    waits = statistics.median(wait for _, wait, _ in results) * 1e6
    told = all(told for _, _, told in results)
    got = sum(got for got, _, _ in results)
    say(
        f"   latchwork: the next one has the lock {waits:,.0f} µs after the kill (median of {KILLS}; "
        f"{got} of {KILLS} got it), and is told: lock.abandoned is {told}."
    )
    got, wait, _ = _killed_holder(multiprocessing)
    outcome = (
        f"got it after {wait * 1e6:,.0f} µs" if got else f"has waited {wait:.1f} s, and gave up"
    )
    say(f"   multiprocessing: the next one {outcome}; without a timeout it hangs for ever.")


def _nanoseconds(statement: str, number: int, **names: Any) -> float:
    times = timeit.repeat(statement, globals=names, number=number, repeat=5)
    return statistics.median(times) / number * 1e9


def speed() -> None:
    """Compare a few operations, in one run."""
    say("5. Speed, beside multiprocessing (median, this machine, this Python):")
    say(f"   {'':26}{'multiprocessing':>17}{'latchwork':>12}{'times':>8}")
    rows = [
        ("with lock:", "with lock: pass", 100_000),
        ("event.is_set()", "event.is_set()", 100_000),
        ("event.set(); .clear()", "event.set(); event.clear()", 20_000),
        ("create a Lock", "library.Lock()", 500),
        ("create an Event", "library.Event()", 200),
    ]
    for name, statement, number in rows:
        theirs, ours = (
            _nanoseconds(
                statement, number, library=library, lock=library.Lock(), event=library.Event()
            )
            for library in (multiprocessing, latchwork)
        )
        say(f"   {name:26}{theirs:>14,.0f} ns{ours:>9,.0f} ns{theirs / ours:>8.1f}")


def _take_both(mine: Any, other: Any, met: Any, said: Any) -> None:
    with mine:
        met.wait()
        try:
            with other:
                said.send((os.getpid(), time.monotonic(), None))
        except latchwork.DeadlockError as error:
            said.send((os.getpid(), time.monotonic(), str(error)))


def stuck() -> None:
    """Show who holds and who waits where neither can go on; and one that gives up, so that one can."""
    say("6. Two processes, two RLocks: each has one, and waits for the other's:")
    ctx = latchwork.get_context("fork")
    heard, said = ctx.Pipe()
    met = ctx.Barrier(2)
    children = [
        ctx.Process(target=_take_both, args=(*locks, met, said), daemon=True)
        for locks in ((left, right), (right, left))
    ]
    for child in children:
        child.start()
    _until_waited_for(left, right)
    began = time.monotonic()
    for lock in (left, right):
        say(f"   {lock.statistics().title} is {lock!r}")
    for _ in children:
        if not heard.poll(PATIENCE * 5):
            say("   They still wait.")
            break
        pid, when, error = heard.recv()
        if error is None:
            say(f"   pid {pid} goes on, and has both.")
        else:
            say(f"   {when - began:.1f} s later pid {pid} is told, and lets go of what it has:")
            say(textwrap.indent(f"DeadlockError: {error}", "     "))
    for child in children:
        child.kill()
        child.join()
    say()
    say("In a program that hangs:  latchwork ls  latchwork top  latchwork explain PID")
    if not all(map(importlib.util.find_spec, cli.LIBRARIES)):
        say("Those need libraries:     pip install 'latchwork[cli]'")


def _until_waited_for(*locks: Any) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end and not all(lock.statistics().waiters for lock in locks):
        time.sleep(0.01)


def main() -> int:
    """Run the tour; the exit status."""
    say(
        f"Latchwork {latchwork.__version__}, Python {sys.version.split()[0]}, "
        f"{os.cpu_count()} CPUs, futex_waitv: {'yes' if latchwork._core.has_waitv() else 'no'}"
    )
    for part in (turns, module_level, manager, kill, speed, stuck):
        say()
        part()
    return 0
