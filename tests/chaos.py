"""Kill processes of random roles at random instants, for a given time, and see who suffers.

    python tests/chaos.py --seconds 1800 [--seed N] [--workers 8]

Checked all the while: mutual exclusion (by plain words in shared memory, that only the owner of a lock
writes), and that nobody who lives is stuck. A dead owner's words are half done: the next one must have
been told so (`abandoned`). Prints the seed first and the counts last; exit status 1 if a law was broken.
"""

import argparse
import contextlib
import ctypes
import logging
import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
import traceback
from multiprocessing.sharedctypes import RawArray

import chaos_family as family

import latchwork
from latchwork import program

LOCKS = 4  # the last of them is an RLock
EVENTS = 2
STUCK_AFTER = 20.0
COUNTS = (
    *("acquired", "abandoned", "timeouts", "waited", "set", "created", "pickled"),
    *family.COUNTS,
)
ROLES = ("locker", "locker", "trier", "waiter", "setter", "creator", "nested", *family.ROLES)


class Shared(family.FamilyShared):
    """Everything that the workers see."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.locks = [*(latchwork.Lock() for _ in range(LOCKS - 1)), latchwork.RLock()]
        self.events = [latchwork.Event() for _ in range(EVENTS)]
        self.inside = RawArray(ctypes.c_long, LOCKS)
        self.first = RawArray(ctypes.c_long, LOCKS)
        self.second = RawArray(ctypes.c_long, LOCKS)
        self.beat = RawArray(ctypes.c_double, workers)
        self.counts = RawArray(ctypes.c_long, len(COUNTS) * workers)
        self.broken = RawArray(ctypes.c_char, 2000)

    def report(self, text: str) -> None:
        """Only the first breach counts: it may cause others."""
        if not self.broken.value:
            self.broken.value = text.encode()[-1999:]


class Worker(family.FamilyRoles):
    """One process of one role, until it is killed."""

    def __init__(self, shared: Shared, place: int, seed: int) -> None:
        self.shared = shared
        self.place = place
        self.random = random.Random(seed)

    def count(self, what: str) -> None:
        self.shared.counts[self.place * len(COUNTS) + COUNTS.index(what)] += 1
        self.shared.beat[self.place] = time.monotonic()

    def breach(self, text: str) -> None:
        self.shared.report(text)
        os._exit(3)

    def section(self, which: int) -> None:
        """What the lock guards: three words that belong together."""
        shared, me = self.shared, os.getpid()
        told = shared.locks[which].abandoned
        if told:
            self.count("abandoned")
        elif shared.inside[which] != 0 or shared.first[which] != shared.second[which]:
            self.breach(
                f"lock {which}: {me} came in untold while {shared.inside[which]} was inside "
                f"({shared.first[which]}, {shared.second[which]})"
            )
        shared.inside[which] = me
        value = shared.first[which] + 1
        shared.first[which] = value
        if self.random.random() < 0.05:
            time.sleep(self.random.random() * 0.002)
        if shared.inside[which] != me or shared.first[which] != value:
            self.breach(f"lock {which}: {shared.inside[which]} came in while {me} was inside")
        shared.second[which] = value
        shared.inside[which] = 0
        self.count("acquired")

    def locker(self) -> None:
        which = self.random.randrange(LOCKS)
        with self.shared.locks[which]:
            self.section(which)

    def trier(self) -> None:
        which = self.random.randrange(LOCKS)
        lock = self.shared.locks[which]
        if lock.acquire(timeout=self.random.choice((0, 0.0001, 0.001, 0.01))):
            self.section(which)
            lock.release()
        else:
            self.count("timeouts")

    def nested(self) -> None:
        low, high = sorted(self.random.sample(range(LOCKS), 2))
        with self.shared.locks[low]:
            self.section(low)
            with self.shared.locks[high]:
                self.section(high)

    def waiter(self) -> None:
        if not self.random.choice(self.shared.events).wait():
            self.breach("wait() without a timeout returned False")
        self.count("waited")
        time.sleep(self.random.random() * 0.002)

    def setter(self) -> None:
        event = self.random.choice(self.shared.events)
        event.set()
        event.clear()
        self.count("set")
        time.sleep(self.random.random() * 0.002)

    def creator(self) -> None:
        made = [self.random.choice((latchwork.Lock, latchwork.Event))() for _ in range(20)]
        for primitive in made:
            if isinstance(primitive, latchwork.Lock):
                if not primitive.acquire(block=False):
                    self.breach("a new lock was held")
            elif primitive.is_set():
                self.breach("a new event was set")
        if self.random.random() < 0.05:
            again = pickle.loads(pickle.dumps(made[0]))
            del again
            self.count("pickled")
        self.count("created")

    def run(self, role: str) -> None:
        act = getattr(self, role)
        while True:
            act()


def work(shared: Shared, place: int, role: str, seed: int) -> None:
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)
    try:
        Worker(shared, place, seed).run(role)
    except BaseException:
        shared.report(traceback.format_exc())
        os._exit(3)


class Chaos(family.FamilyChaos):
    """The one that starts, stops and kills."""

    def __init__(self, workers: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.shared = Shared(workers)
        self.processes: list[multiprocessing.process.BaseProcess] = []
        self.stopped: dict[int, float] = {}
        self.kills = 0
        self.stops = 0
        self.started = 0
        self.begin_family()
        for place in range(workers):
            self.processes.append(self.start(place))

    def start(self, place: int) -> multiprocessing.process.BaseProcess:
        method = "spawn" if self.random.random() < 0.02 else "fork"
        role = self.random.choice(ROLES)
        if place < len(family.FIXED_ROLES):
            role = family.FIXED_ROLES[place]
        seed = self.random.randrange(1 << 30)
        process = multiprocessing.get_context(method).Process(
            target=work, args=(self.shared, place, role, seed), daemon=True
        )
        self.shared.beat[place] = time.monotonic()
        process.start()
        self.started += 1
        return process

    def kill(self, place: int) -> None:
        process = self.processes[place]
        os.kill(process.pid, signal.SIGKILL)
        self.stopped.pop(place, None)
        self.kills += 1
        process.join()
        if process.exitcode == 3:
            return
        self.processes[place] = self.start(place)

    def stop_or_go_on(self, place: int) -> None:
        now = time.monotonic()
        for stopped, since in list(self.stopped.items()):
            if now - since > 0.02:
                os.kill(self.processes[stopped].pid, signal.SIGCONT)
                del self.stopped[stopped]
                self.shared.beat[stopped] = now
        if self.random.random() < 0.05 and place not in self.stopped:
            os.kill(self.processes[place].pid, signal.SIGSTOP)
            self.stopped[place] = now
            self.stops += 1

    def stuck(self) -> str | None:
        now = time.monotonic()
        for place, beat in enumerate(self.shared.beat):
            if place not in self.stopped and now - beat > STUCK_AFTER:
                process = self.processes[place]
                return f"pid {process.pid} (place {place}) is stuck for {now - beat:.0f} s"
        return None

    def run(self, seconds: float) -> str | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.random.random() * 0.02)
            place = self.random.randrange(len(self.processes))
            self.stop_or_go_on(place)
            for event in self.shared.events:
                event.set()
                event.clear()
            if self.random.random() < 0.7:
                self.kill(self.random.randrange(len(self.processes)))
            if problem := self.tend_family():
                return problem
            if self.shared.broken.value:
                return self.shared.broken.value.decode(errors="replace")
            if problem := self.stuck():
                return problem
        return None

    def end(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.join()

    def leftovers(self) -> str | None:
        """After all workers' deaths a sweep leaves what this process holds, and pickles in flight."""
        arena = program.arena()
        before = arena.counts()
        arena.sweep()
        after = arena.counts()
        held = LOCKS + EVENTS + self.shared.made
        pickled = self.total("pickled") + self.started
        cells = 8 * len(self.processes)  # more would be a leak: they are freed with the dead
        if after["live"] > held + pickled + cells + 32:
            return f"{after['live']} slots live after all died, {held} held: {before} {after}"
        for lock in self.shared.locks:
            if not lock.acquire(timeout=5):
                return "a lock can't be had although all others are dead"
        return self.family_leftovers()

    def total(self, what: str) -> int:
        return sum(self.shared.counts[COUNTS.index(what) :: len(COUNTS)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--workers", type=int, default=14)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    logging.getLogger("latchwork").setLevel(logging.CRITICAL)
    chaos = Chaos(options.workers, options.seed)
    try:
        problem = chaos.run(options.seconds)
    finally:
        chaos.end()
    problem = problem or chaos.leftovers()
    counts = ", ".join(f"{what} {chaos.total(what)}" for what in COUNTS)
    print(f"killed {chaos.kills}, stopped {chaos.stops}, started {chaos.started}, {counts}")
    print(f"latest notification {chaos.latest:.3f} s, {chaos.helped} left by a dead owner")
    print(f"arena {program.arena().counts()}")
    print(f"FAILED: {problem}" if problem else "all laws held")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
