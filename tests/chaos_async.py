"""A thousand tasks in four processes, and two processes without tasks, killed at random.

    python tests/chaos_async.py --seconds 600 [--seed N] [--stay]

In turn a storm, in which processes are killed, stopped and told to leave, and a calm, in which tasks are
only cancelled. In a calm no sleep is re-checked, nobody is told of a death, and nothing gets lost: at its
end all permits are back *before* the processes end. One that ends leaves no thread and no descriptor.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable

import chaos
import chaos_family as family
import chaos_killing as killing
from chaos_loops import DRAIN, ENDS_WITHIN, GO, KINDS, LEAVE, PLACES, Shared, doing, work
from chaos_tasks import OWNED, STORED

from latchwork import _core

STORM, CALM = 6.0, 3.0


class Chaos(chaos.Chaos):
    """Storms and calms."""

    latches_open_after = 1.0  # so that few are enough: spawned processes get them all by pickle

    def __init__(self, seconds: float, seed: int) -> None:
        self.is_calm = False
        self.begin_family()
        shared = Shared(len(KINDS), PLACES[-1].stop, 64 + int(seconds * 1.5))
        self.left = self.calms = 0
        self.leaving: dict[int, float] = {}
        killing.Killer.__init__(self, shared, len(KINDS), seed)

    def places(self, which: int) -> range:
        return PLACES[which]

    def work_of(self, which: int) -> tuple[Callable[..., None], tuple[object, ...]]:
        self.shared.asked[which] = GO
        self.leaving.pop(which, None)
        return work, (self.shared, which, self.random.randrange(1 << 30), self.is_calm)

    def run(self, seconds: float) -> str | None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            length = min(1, left / (STORM + CALM + 1))
            problem = self.storm(STORM * length) or self.calm(CALM * length)
            if problem:
                return problem
        return None

    def live(self, seconds: float, often: Callable[[], str | None]) -> str | None:
        """For some time: tend what they wait for, and do something often."""
        now = time.monotonic()
        end, then = now + seconds, now
        while now < end:
            problem = self.tend() or (often() if now > then else None)
            if problem:
                return problem
            if now > then:
                then = time.monotonic() + self.random.uniform(0.05, 0.3)
            time.sleep(0.01)
            now = time.monotonic()
        return None

    def tend(self) -> str | None:
        for event in self.shared.events:
            event.set()
            event.clear()
        if self.shared.meeting.broken:
            self.shared.meeting.reset()
        if self.shared.tokens.get_value() < 20:
            self.give(50)
        return self.breach() or self.tend_family() or self.gone() or self.stuck()

    def may_end(self, which: int) -> bool:
        return which in self.leaving

    def ask_to_leave(self, which: int) -> None:
        self.shared.asked[which] = LEAVE
        self.leaving[which] = time.monotonic()

    def gone(self) -> str | None:
        """Those that were told to leave are begun anew."""
        for which, process in enumerate(self.processes):
            if process.is_alive():
                if time.monotonic() > self.leaving.get(which, math.inf) + killing.STUCK_AFTER:
                    return f"pid {process.pid} was told to leave and did not"
            elif process.exitcode or not self.may_end(which):
                return self.breach() or self.ended(process)
            else:
                self.left += 1
                self.processes[which] = self.start(which)
        return None

    def strike(self) -> str | None:
        which = self.random.randrange(len(self.processes))
        chance = self.random.random()
        if chance < 0.75:
            return self.kill(which)
        if chance < 0.85:
            self.ask_to_leave(which)
            return None
        return self.halt()

    def halt(self) -> str | None:
        """Nothing that one may have been stopped in is touched here before it goes on."""
        which = self.random.randrange(len(self.processes))
        self.stop(which)
        time.sleep(self.random.uniform(0.001, 0.1))
        if not self.is_calm and self.random.random() < 0.2:
            return self.kill(which)
        self.go_on(which)
        return None

    def storm(self, seconds: float) -> str | None:
        return self.live(seconds, self.strike)

    def end_all(self) -> str | None:
        for which in range(len(self.processes)):
            if problem := self.end_of(which):
                return problem
        return self.breach() or self.unsettled()

    def start_all(self, calm: bool) -> None:
        self.is_calm = calm
        _core.recheck_first(1000 if calm else 0.02)
        self.late = family.LATE
        self.since = time.monotonic() if self.since else 0.0
        self.processes = [self.start(which) for which in range(len(self.processes))]

    def calm(self, seconds: float) -> str | None:
        if problem := self.end_all():
            return problem
        self.shared.barrier.reset()
        tokens, told = self.tokens(), self.told()
        self.start_all(calm=True)
        problem = self.live(seconds, self.halt)
        if problem is None and self.told() != told:
            problem = f"told of a death in a calm: {told} {self.told()}"
        problem = problem or self.drain()
        if problem is None and self.tokens() != tokens:
            problem = f"{tokens} tokens should be there, less by those taken; now {self.tokens()}"
        problem = problem or self.unsettled() or self.leave()
        self.calms += 1
        return problem

    def tokens(self) -> int:
        """Constant, if none gets lost."""
        total = self.shared.total
        return self.shared.tokens.get_value() + total("tokens") - total("given") - self.given

    def told(self) -> list[int]:
        return [self.shared.total(what) for what in ("abandoned", "broken", "left")]

    def drain(self) -> str | None:
        """All end what they are at, without a cancellation or a re-check: a lost wake-up is a hang."""
        self.late = math.inf  # for its consumers end, too
        for which in range(len(self.processes)):
            self.shared.asked[which] = DRAIN
        while any(beat != math.inf for beat in self.shared.beat):
            for barrier in (self.shared.barrier, self.shared.meeting):
                barrier.abort()
            if problem := self.tend():
                return problem
            time.sleep(0.005)
        for barrier in (self.shared.barrier, self.shared.meeting):
            barrier.reset()
        for condition in (self.shared.condition, self.shared.room, self.shared.stock):
            if condition._waiting():
                return f"somebody waits although all tasks have ended: {condition}"
        return None

    def leave(self) -> str | None:
        for which in range(len(self.processes)):
            self.ask_to_leave(which)
        for process in self.processes:
            process.join(2 * ENDS_WITHIN)
            if process.exitcode != 0:
                return self.breach() or self.ended(process)
            self.left += 1
        self.start_all(calm=False)
        return None

    def unsettled(self) -> str | None:
        shared = self.shared
        if not 0 <= shared.level.value <= STORED:
            return f"{shared.level.value} stored"
        problem = family.permits_missing(shared.owned, OWNED)
        problem = problem or family.waits_left(shared.room) or family.waits_left(shared.stock)
        if problem is None and shared.meeting.n_waiting:
            problem = f"those that wait are gone: {shared.meeting}"
        return problem or super().unsettled()

    def doing(self, place: int) -> str:
        return doing(self.shared, place)

    def evidence(self) -> str:
        now = time.monotonic()
        seen = []
        for which, process in enumerate(self.processes):
            silent = sorted(
                (
                    (now - self.shared.beat[place], self.doing(place))
                    for place in self.places(which)
                ),
                reverse=True,
            )
            longest = ", ".join(f"{role} {seconds:.1f} s" for seconds, role in silent[:12])
            seen.append(f"{process.pid}: {KINDS[which].__name__}, silent: {longest}")
            seen.append(f"  {Counter(role for seconds, role in silent if seconds > 1)}")
        things = {name: what for name, what in vars(self.shared).items() if name != "latches"}
        seen += [
            f"{name}: {what!r}" for name, what in things.items() if "_Array_" not in repr(what)
        ]
        return "\n".join([*seen, super().evidence()])

    def notes(self) -> str:
        return f"{super().notes()}, {self.calms} calms, {self.left} left by themselves"


if __name__ == "__main__":
    sys.exit(killing.main(lambda options: Chaos(options.seconds, options.seed), __doc__))
