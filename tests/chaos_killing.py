"""What the programs of chaos share: what all write in, and the one that starts, stops and kills."""

import argparse
import contextlib
import ctypes
import faulthandler
import logging
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray

import chaos_evidence as evidence

from latchwork import program

STUCK_AFTER = 20.0
HANGS_AFTER = 60.0  # after all should be over: for the one that kills may hang as well
BREACH = 3  # the exit status of a process that saw a law broken


class Ledger:
    """Counts, signs of life, and the first breach. Only who lives at a place writes there."""

    def __init__(self, places: int, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.beat = RawArray(ctypes.c_double, places)
        self.counts = RawArray(ctypes.c_long, len(columns) * places)
        self.broken = RawArray(ctypes.c_char, 2000)
        self.stacks = tempfile.mkdtemp(prefix="latchwork-chaos-")

    def count(self, place: int, what: str) -> None:
        self.counts[place * len(self.columns) + self.columns.index(what)] += 1
        self.beat[place] = time.monotonic()

    def total(self, what: str) -> int:
        return sum(self.counts[self.columns.index(what) :: len(self.columns)])

    def report(self, text: str) -> None:
        """Only the first breach counts: it may cause others."""
        if not self.broken.value:
            self.broken.value = text.encode()[-1999:]

    def breach(self, text: str) -> None:
        self.report(text)
        os._exit(BREACH)


@contextlib.contextmanager
def answering(ledger: Ledger):
    """What a process does from its start to its end; it has no business to raise anything."""
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)
    evidence.prepare(ledger.stacks)
    try:
        yield
    except BaseException:
        ledger.breach(traceback.format_exc())


class Killer:
    """The one that starts, stops and kills. What it starts is said by ``work_of``."""

    def __init__(self, shared: Ledger, number: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.shared = shared
        self.stopped: dict[int, float] = {}
        self.kills = self.stops = self.started = 0
        self.silence = 0.0  # the longest that anybody did nothing
        self.processes = [self.start(which) for which in range(number)]

    def work_of(self, which: int) -> tuple[Callable[..., None], tuple[object, ...]]:
        raise NotImplementedError

    def places(self, which: int) -> range:
        """Where that process writes."""
        return range(which, which + 1)

    def beat(self, which: int) -> None:
        now = time.monotonic()
        for place in self.places(which):
            self.shared.beat[place] = now

    def start(self, which: int) -> BaseProcess:
        method = "spawn" if self.random.random() < 0.02 else "fork"
        target, args = self.work_of(which)
        process = multiprocessing.get_context(method).Process(target=target, args=args, daemon=True)
        self.beat(which)
        process.start()
        self.started += 1
        return process

    def end_of(self, which: int) -> str | None:
        """Kill it; what is wrong if it had ended by itself."""
        process = self.processes[which]
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        self.stopped.pop(which, None)
        process.join()
        if process.exitcode in (-signal.SIGKILL, BREACH) or (
            process.exitcode == 0 and self.may_end(which)
        ):
            return None
        return self.ended(process)

    def may_end(self, which: int) -> bool:
        return False

    def ended(self, process: BaseProcess) -> str:
        stacks = evidence.crash(self.shared.stacks, process.pid)
        return f"pid {process.pid} ended by itself with {process.exitcode}\n{stacks}"

    def kill(self, which: int) -> str | None:
        problem = self.end_of(which)
        self.kills += 1
        if problem is None and self.processes[which].exitcode != BREACH:
            self.processes[which] = self.start(which)
        return problem

    def stop(self, which: int) -> None:
        os.kill(self.processes[which].pid, signal.SIGSTOP)
        self.stopped[which] = time.monotonic()
        self.stops += 1

    def go_on(self, which: int) -> None:
        os.kill(self.processes[which].pid, signal.SIGCONT)
        del self.stopped[which]
        self.beat(which)

    def stuck(self) -> str | None:
        now, beats = time.monotonic(), self.shared.beat[:]
        for which, process in enumerate(self.processes):
            if which in self.stopped:
                continue
            for place in self.places(which):
                silent = now - beats[place]
                self.silence = max(self.silence, silent)
                if silent > STUCK_AFTER:
                    where = f"place {place}, {self.doing(place)}"
                    return f"pid {process.pid} ({where}) is stuck for {silent:.0f} s"
        return None

    def doing(self, place: int) -> str:
        """What else is known of it."""
        return "no more is known"

    def breach(self) -> str | None:
        return self.shared.broken.value.decode(errors="replace") or None

    def evidence(self) -> str:
        living = [process for process in self.processes if process.is_alive()]
        return "\n".join(evidence.of(self.shared.stacks, process.pid) for process in living)

    def end(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.join()
        shutil.rmtree(self.shared.stacks, ignore_errors=True)

    def run(self, seconds: float) -> str | None:
        """Until the time is over or a law is broken: then, which."""
        raise NotImplementedError

    def leftovers(self) -> str | None:
        """After the end of all: what they should not have left."""
        raise NotImplementedError

    def notes(self) -> str:
        return f"latest sign of life {self.silence:.1f} s"


def main(
    make: Callable[[argparse.Namespace], Killer],
    description: str,
    workers: int | None = None,
    flags: tuple[str, ...] = (),
) -> int:
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    if workers is not None:
        parser.add_argument("--workers", type=int, default=workers)
    parser.add_argument(
        "--stay", action="store_true", help="leave all as it is when a law is broken"
    )
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)
    if not options.stay:
        faulthandler.register(signal.SIGALRM, chain=True)  # and ends by it
        signal.alarm(int(options.seconds + HANGS_AFTER))
    chaos = make(options)
    try:
        problem = chaos.run(options.seconds)
        if problem:
            print(f"FAILED: {problem}\n{chaos.evidence()}", flush=True)
            if options.stay:
                input("Enter ends it. ")
    finally:
        chaos.end()
    if not problem and (problem := chaos.leftovers()):
        print(f"FAILED: {problem}")
    columns = chaos.shared.columns
    counts = ", ".join(f"{what} {chaos.shared.total(what)}" for what in columns)
    print(f"killed {chaos.kills}, stopped {chaos.stops}, started {chaos.started}, {counts}")
    print(chaos.notes())
    print(f"arena {program.arena().counts()}")
    print("a law was broken: see above" if problem else "all laws held")
    return 1 if problem else 0
