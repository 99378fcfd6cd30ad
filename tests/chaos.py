"""Kill processes of random roles at random instants, for a given time, and see who suffers.

    python tests/chaos.py --seconds 1800 [--seed N] [--workers 8]

Checked all the while: mutual exclusion (by plain words in shared memory, that only the owner of a lock
writes), and that nobody who lives is stuck. A dead owner's words are half done: the next one must have
been told so (`abandoned`). Prints the seed first and the counts last; exit status 1 if a law was broken.
"""

import contextlib
import ctypes
import os
import pickle
import random
import sys
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray

import chaos_family as family
import chaos_killing as killing

import latchwork
from latchwork import program

LOCKS = 4  # the last of them is an RLock
EVENTS = 2
COUNTS = (
    *("acquired", "abandoned", "timeouts", "waited", "set", "created", "pickled"),
    *family.COUNTS,
)
ROLES = ("locker", "locker", "trier", "waiter", "setter", "creator", "nested", *family.ROLES)


class Shared(family.FamilyShared, killing.Ledger):
    """Everything that the workers see."""

    def __init__(
        self, workers: int, columns: tuple[str, ...] = COUNTS, latches: int = family.LATCHES
    ) -> None:
        family.FamilyShared.__init__(self, workers, latches)
        killing.Ledger.__init__(self, workers, columns)
        self.locks = [*(latchwork.Lock() for _ in range(LOCKS - 1)), latchwork.RLock()]
        self.events = [latchwork.Event() for _ in range(EVENTS)]
        self.inside = RawArray(ctypes.c_long, LOCKS)
        self.first = RawArray(ctypes.c_long, LOCKS)
        self.second = RawArray(ctypes.c_long, LOCKS)


class Worker(family.FamilyRoles):
    """One process of one role, until it is killed."""

    def __init__(self, shared: Shared, place: int, seed: int) -> None:
        self.shared = shared
        self.place = place
        self.random = random.Random(seed)

    def count(self, what: str) -> None:
        self.shared.count(self.place, what)

    def breach(self, text: str) -> None:
        self.shared.breach(text)

    @contextlib.contextmanager
    def inside(self, which: int):
        """What the lock guards: three words that belong together."""
        shared, me = self.shared, self.stamped()
        told = shared.locks[which].abandoned
        if told:
            self.count("abandoned")
        elif shared.inside[which] != 0 or shared.first[which] != shared.second[which]:
            self.breach(
                f"lock {which}: {os.getpid()} came in untold, inside was {shared.inside[which] >> 20} "
                f"({shared.first[which]}, {shared.second[which]})"
            )
        shared.inside[which] = me
        value = shared.first[which] + 1
        shared.first[which] = value
        try:
            yield
        finally:
            if shared.inside[which] != me or shared.first[which] != value:
                other = shared.inside[which] >> 20
                self.breach(f"lock {which}: {other} came in while {os.getpid()} was inside")
            shared.second[which] = value
            shared.inside[which] = 0
        self.count("acquired")

    def section(self, which: int) -> None:
        with self.inside(which):
            if self.random.random() < 0.05:
                time.sleep(self.random.random() * 0.002)

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
    with killing.answering(shared):
        Worker(shared, place, seed).run(role)


class Chaos(family.FamilyChaos, killing.Killer):
    """All roles, and a family to tend."""

    def __init__(self, workers: int, seed: int) -> None:
        self.begin_family()
        super().__init__(Shared(workers), workers, seed)

    def work_of(self, which: int) -> tuple[Callable[..., None], tuple[object, ...]]:
        role = self.random.choice(ROLES)
        if which < len(family.FIXED_ROLES):
            role = family.FIXED_ROLES[which]
        return work, (self.shared, which, role, self.random.randrange(1 << 30))

    def stop_or_go_on(self, which: int) -> None:
        now = time.monotonic()
        for stopped, since in list(self.stopped.items()):
            if now - since > 0.02:
                self.go_on(stopped)
        if self.random.random() < 0.05 and which not in self.stopped:
            self.stop(which)

    def run(self, seconds: float) -> str | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.random.random() * 0.02)
            self.stop_or_go_on(self.random.randrange(len(self.processes)))
            for event in self.shared.events:
                event.set()
                event.clear()
            problem = None
            if self.random.random() < 0.7:
                problem = self.kill(self.random.randrange(len(self.processes)))
            if problem := problem or self.breach() or self.tend_family() or self.stuck():
                return problem
        return None

    def leftovers(self) -> str | None:
        """After all workers' deaths a sweep leaves what this process holds, and pickles in flight."""
        arena = program.arena()
        before = arena.counts()
        arena.sweep()
        after = arena.counts()
        held = 2 * (LOCKS + EVENTS + self.shared.made)  # each may have got one for more holders
        pickled = self.shared.total("pickled") + self.started
        cells = 8 * len(self.processes)  # more would be a leak: they are freed with the dead
        if after["live"] > held + pickled + cells + 32:
            return f"{after['live']} slots live after all died, {held} held: {before} {after}"
        return self.unsettled()

    def unsettled(self) -> str | None:
        """Nobody is at anything any more: what is not as if nobody had ever been."""
        shared = self.shared
        for which, lock in enumerate(shared.locks):
            if not lock.acquire(timeout=5):
                return f"{lock} can't be had although nobody uses it"
            if lock.abandoned:
                shared.inside[which], shared.second[which] = 0, shared.first[which]
            lock.release()
        return self.family_unsettled()

    def notes(self) -> str:
        late = f"latest notification {self.latest:.3f} s, {self.helped} left by a dead owner"
        return f"{super().notes()}, {late}"


if __name__ == "__main__":
    sys.exit(
        killing.main(lambda options: Chaos(options.workers, options.seed), __doc__, workers=14)
    )
