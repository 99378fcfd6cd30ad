"""Take many primitives in one order, under kills and stops: nobody may ever speak of a deadlock.

    python tests/chaos_deadlocks.py --seconds 600 [--seed N] [--workers 8] [--disorder]

All threads take what they take in one and the same order, so that no deadlock can be, however it may look
while facts change as they are read. Each waiter looks after 0.05 s. An alarm (a DeadlockWarning, made an
error) is a breach; so is a thread that is stuck. ``--disorder`` takes them in any order, by timeouts
that end each deadlock, and some without: then alarms are due, and the run fails if there is none.
"""

import ctypes
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from multiprocessing.sharedctypes import RawArray
from random import Random

import chaos_killing as killing

import latchwork
from latchwork.errors import DeadlockWarning

LOOK_AFTER = 0.05
THREADS = 2
COUNTS = ("taken", "timeouts", "notified", "long")


class Shared(killing.Ledger):
    """What all take, in this order."""

    def __init__(self, workers: int, disorder: bool) -> None:
        killing.Ledger.__init__(self, workers, COUNTS)
        self.disorder = disorder
        self.alarms = RawArray(ctypes.c_long, workers)
        self.primitives = [
            *(latchwork.Lock() for _ in range(4)),
            *(latchwork.RLock() for _ in range(4)),
            *(latchwork.RWLock() for _ in range(3)),
            *(latchwork.BoundedSemaphore(2) for _ in range(3)),
            *(latchwork.Condition() for _ in range(2)),
            *(latchwork.Condition(latchwork.Lock()) for _ in range(2)),
            latchwork.Lock(name=f"chaos-{os.getpid()}"),
        ]


class Taker:
    """One thread."""

    def __init__(self, shared: Shared, place: int, seed: int) -> None:
        self.shared, self.place, self.random = shared, place, Random(seed)

    def count(self, what: str) -> None:
        self.shared.count(self.place, what)

    @contextmanager
    def held(self, primitive):
        """Hold it, in one of the ways that it has; False if the time was over."""
        timeout = self.random.choice((None, None, None, 0.001, 0.06, 0.2))
        ways = ("_read", "_read", "_write") if isinstance(primitive, latchwork.RWLock) else ("",)
        way = self.random.choice(ways)
        take, release = getattr(primitive, f"acquire{way}"), getattr(primitive, f"release{way}")
        had = take(timeout=timeout)
        if not had:
            self.count("timeouts")
        try:
            yield had
        finally:
            if had:
                release()

    def pause(self) -> None:
        """Mostly none; at times long enough for those who wait to look."""
        luck = self.random.random()
        if luck < 0.02:
            time.sleep(0.05 + self.random.random() * 0.1)
            self.count("long")
        elif luck < 0.3:
            time.sleep(self.random.random() * 0.003)

    def some(self) -> list:
        all_of_them = self.shared.primitives
        number = self.random.randint(1, 4)
        places = sorted(self.random.sample(range(len(all_of_them)), number))
        if self.shared.disorder:
            self.random.shuffle(places)
        return [all_of_them[place] for place in places]

    def round(self) -> None:
        some = self.some()
        with ExitStack() as stack:
            for primitive in some:
                if not stack.enter_context(self.held(primitive)):
                    return
                self.count("taken")
                self.pause()
                if isinstance(primitive, latchwork.RLock) and self.random.random() < 0.3:
                    stack.enter_context(primitive)
            if isinstance(some[-1], latchwork.Condition):
                # The last that it took: to get it back is in order as well.
                some[-1].notify()
                if some[-1].wait(self.random.random() * 0.1):
                    self.count("notified")

    def run(self) -> None:
        while True:
            try:
                self.round()
            except DeadlockWarning:
                if not self.shared.disorder:
                    raise
                self.shared.alarms[self.place] += 1


def work(shared: Shared, place: int, seed: int) -> None:
    def take(seed: int) -> None:
        with killing.answering(shared):
            Taker(shared, place, seed).run()

    warnings.simplefilter("error", DeadlockWarning)
    for number in range(1, THREADS):
        threading.Thread(target=take, args=(seed + number,), daemon=True).start()
    take(seed)


class Chaos(killing.Killer):
    """All take, and one at a time is stopped or killed."""

    def __init__(self, workers: int, seed: int, disorder: bool) -> None:
        latchwork.configure(deadlock="warn", look_after=LOOK_AFTER)
        super().__init__(Shared(workers, disorder), workers, seed)

    def work_of(self, which: int) -> tuple[Callable[..., None], tuple[object, ...]]:
        return work, (self.shared, which, self.random.randrange(1 << 30))

    def run(self, seconds: float) -> str | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.random.random() * 0.05)
            for stopped, since in list(self.stopped.items()):
                if time.monotonic() - since > self.random.choice((0.02, 0.1, 0.5)):
                    self.go_on(stopped)
            which = self.random.randrange(len(self.processes))
            if which not in self.stopped and self.random.random() < 0.15:
                self.stop(which)
            problem = None
            if self.random.random() < 0.15:
                problem = self.kill(self.random.randrange(len(self.processes)))
            if problem := problem or self.breach() or self.stuck():
                return problem
        if self.shared.disorder and not sum(self.shared.alarms):
            return "they were in disorder, and nobody spoke of a deadlock"
        return None

    def leftovers(self) -> str | None:
        for primitive in self.shared.primitives:
            ways = (primitive,) if hasattr(primitive, "acquire") else (primitive.write(),)
            for way in ways:
                with way:
                    pass
        self.shared.primitives[-1].unlink()
        return None

    def notes(self) -> str:
        return f"{super().notes()}, alarms {sum(self.shared.alarms)}"


if __name__ == "__main__":
    sys.exit(
        killing.main(
            lambda options: Chaos(options.workers, options.seed, options.disorder),
            __doc__,
            workers=8,
            flags=("--disorder",),
        )
    )
