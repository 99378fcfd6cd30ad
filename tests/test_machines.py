"""Each primitive against a plain model: two processes, two handles in each, and anything in any order.

Nobody waits for what the model says is not to be had; who is to wait does so on a thread of its own, and
the model says who goes on. The other process may be killed at any time. LATCHWORK_EXAMPLES says how long
to look: dev (the usual run), ci, night.
"""

import copy
import itertools
import os
import threading

import pytest

hypothesis = pytest.importorskip("hypothesis")

import multiprocessing  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from hypothesis import HealthCheck, Phase, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.stateful import (  # noqa: E402
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

sys.path.insert(0, str(Path(__file__).parent / "conformance"))

from doing import notify_within, wait_within  # noqa: E402
from engines import ENGINES  # noqa: E402
from remote import Here, Remote, There, serve, until  # noqa: E402

# A failure of the usual run is told as it was found: to shrink one that hangs takes minutes.
FOUND, SHRUNK = (Phase.generate,), (Phase.generate, Phase.shrink)
for name, examples, steps, phases in (
    ("dev", 12, 25, FOUND),
    ("ci", 60, 40, SHRUNK),
    ("night", 3000, 60, SHRUNK),
):
    settings.register_profile(
        name,
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases,
        deadline=None,
        derandomize=name == "dev",  # the usual run is the same each time; the others look further
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
PROFILE = settings.get_profile(os.environ.get("LATCHWORK_EXAMPLES", "dev"))

HERE, THERE = 0, 1
SIDES = st.sampled_from([(p, h) for p in (HERE, THERE) for h in (0, 1)])
TRIES = st.sampled_from(
    [{"block": False}, {"timeout": 0}, {"timeout": -1}, {"timeout": 0.001}, {"blocking": False}]
)
MOMENTS = st.sampled_from([0, -1, 0.0, 0.001])
WAITERS = 5  # at a time


class Other:
    """The other process, which is started when it is needed."""

    remote = None
    numbers = itertools.count()

    @classmethod
    def get(cls):
        if cls.remote is None or not cls.remote.alive or not cls.remote.process.is_alive():
            cls.remote = Remote.started(multiprocessing.get_context("fork"), serve, [])
        return cls.remote


@pytest.fixture(autouse=True)
def other():
    yield
    if Other.remote is not None:
        Other.remote.kill()
        Other.remote = None


class Machine(RuleBasedStateMachine):
    """One primitive, its handles, those that wait in it; what the model says is in the subclasses."""

    engine = ENGINES[0]
    kind = ""
    args = ()
    kwargs = {}  # noqa: RUF012

    @initialize()
    def make(self):
        self.primitive = self.engine.make(self.kind, *self.args, **self.kwargs)
        here = [self.primitive, copy.copy(self.primitive)]
        self.here = [Here(handle, self.engine.sleeps) for handle in here]
        self.queue = []  # (process, call, what) of those that wait, in order
        self.threads = itertools.count()
        self.send()
        self.begin()

    def begin(self):
        """Make the model."""

    def send(self):
        remote = Other.get()
        numbers = next(Other.numbers), next(Other.numbers)
        self.there = []
        for number in numbers:
            remote.take(number, self.primitive)
            self.there.append(There(remote, number, self.engine.sleeps))

    def side(self, side):
        process, handle = side
        return (self.here, self.there)[process][handle]

    def other_dies(self):
        self.there[0].kill()
        self.queue = [waiter for waiter in self.queue if waiter[0] == HERE]
        self.send()

    def wait(self, side, what, *args, kind=None):
        """Somebody more waits, and is seen to sleep."""
        thread = self.side(side).on(f"waiter {id(self)} {next(self.threads)}")
        self.queue.append((side[0], thread.begin(what, *args).asleep(), kind))

    def room(self):
        return len(self.queue) < WAITERS

    @invariant()
    def who_waits_waits(self):
        for _, call, _ in getattr(self, "queue", ()):
            assert not call.done(), "it went on, and the model says that it waits"

    def rescue(self):
        """Let all go that still wait, so that the next example finds no threads of this one."""

    def teardown(self):
        if not hasattr(self, "queue"):
            return
        self.rescue()
        for side in self.here:
            side.end()
        remote = Other.get()
        remote.look()
        if self.there[0].remote is not remote or remote.open:
            remote.kill()
        else:
            for side in self.there:
                remote.drop(side.number)


class LockMachine(Machine):
    kind = "Lock"

    def begin(self):
        self.owner, self.told = None, False  # a dead owner: told is what the next one sees

    def taken(self, process):
        self.owner = process

    @rule(side=SIDES, how=TRIES)
    def acquire(self, side, how):
        got = self.side(side)("acquire", **how)
        assert got is (self.owner is None)
        if got:
            self.owner = side[0]

    @rule(side=SIDES)
    def release(self, side):
        if self.owner is None and not self.dead_held():
            with pytest.raises(ValueError, match="nobody holds"):
                self.side(side)("release")
            return
        self.side(side)("release")
        if self.owner is None:
            self.told = False  # a late release of what a dead one held
            return
        self.told = False
        if self.queue:
            self.owner, call, _ = self.queue.pop(0)
            assert call.result() is True
        else:
            self.owner = None

    def dead_held(self):
        return self.owner is None and self.told

    @precondition(lambda self: self.owner is not None and not self.queue)
    @rule(side=SIDES)
    def one_waits(self, side):
        self.wait(side, "acquire")

    @rule()
    def the_other_dies(self):
        self.other_dies()
        if self.owner != THERE:
            return
        self.owner, self.told = None, True
        if self.queue:
            self.owner, call, _ = self.queue.pop(0)
            assert call.result() is True

    @rule(side=SIDES)
    def look(self, side):
        assert self.side(side)("locked") is (self.owner is not None)
        assert self.side(side)("abandoned") is (self.owner == side[0] and self.told)

    def rescue(self):
        while self.queue:
            self.release((HERE, 0))


class RLockMachine(Machine):
    kind = "RLock"
    actors = st.tuples(st.sampled_from([HERE, THERE]), st.sampled_from("ab"))

    def begin(self):
        self.owner, self.depth, self.told = None, 0, False

    def actor(self, actor, handle):
        # A thread of the process, whichever handle it takes: for a Here, the workers are of its handle.
        process, thread = actor
        if process == THERE:
            return self.there[handle].on(f"{thread} {id(self)}")
        side = Here(self.here[handle].primitive, self.engine.sleeps, thread, self.here[0].workers)
        return side

    @rule(actor=actors, handle=st.integers(0, 1), how=TRIES)
    def acquire(self, actor, handle, how):
        got = self.actor(actor, handle)("acquire", **how)
        assert got is (self.owner in (None, actor))
        if got:
            self.owner, self.depth = actor, self.depth + 1

    @rule(actor=actors, handle=st.integers(0, 1))
    def release(self, actor, handle):
        side = self.actor(actor, handle)
        if self.owner != actor:
            with pytest.raises(AssertionError, match="not owned"):
                side("release")
            return
        side("release")
        self.depth -= 1
        if self.depth == 0:
            self.owner, self.told = None, False

    @rule(actor=actors, handle=st.integers(0, 1))
    def look(self, actor, handle):
        side = self.actor(actor, handle)
        assert side("locked") is (self.owner is not None)
        assert side("_is_owned") is (self.owner == actor)
        assert side("_recursion_count") == (self.depth if self.owner == actor else 0)
        assert side("abandoned") is (self.owner == actor and self.told)

    @rule()
    def the_other_dies(self):
        self.other_dies()
        if self.owner is not None and self.owner[0] == THERE:
            self.owner, self.depth, self.told = None, 0, True


class EventMachine(Machine):
    kind = "Event"

    def begin(self):
        self.is_set = False

    @rule(side=SIDES)
    def set(self, side):
        self.side(side)("set")
        self.is_set = True
        while self.queue:
            assert self.queue.pop()[1].result() is True

    @rule(side=SIDES)
    def clear(self, side):
        self.side(side)("clear")
        self.is_set = False

    @rule(side=SIDES, timeout=MOMENTS)
    def look(self, side, timeout):
        assert self.side(side)("is_set") is self.is_set
        assert self.side(side)("wait", timeout) is self.is_set

    @precondition(lambda self: not self.is_set and self.room())
    @rule(side=SIDES)
    def one_waits(self, side):
        self.wait(side, "wait")

    @rule()
    def the_other_dies(self):
        self.other_dies()

    def rescue(self):
        self.set((HERE, 0))


class SemaphoreMachine(Machine):
    """A count that nobody owns; bounded or not."""

    kind, args = "Semaphore", (2,)
    bound = None

    def begin(self):
        self.value = self.args[0]

    @rule(side=SIDES, how=TRIES)
    def acquire(self, side, how):
        got = self.side(side)("acquire", **how)
        assert got is (self.value > 0)
        self.value -= got

    @rule(side=SIDES, n=st.integers(1, 3))
    def release(self, side, n):
        if self.bound is not None and self.value + n > self.bound:
            with pytest.raises(ValueError, match="too many times"):
                self.side(side)("release", n)
            return
        self.side(side)("release", n)
        self.value += n
        # Whoever is first has it, not who came first: so they are looked for.
        goers = min(self.value, len(self.queue))
        self.value -= goers
        until(lambda: sum(call.done() for _, call, _ in self.queue) >= goers)
        for waiter in [waiter for waiter in self.queue if waiter[1].done()]:
            assert waiter[1].result() is True
            self.queue.remove(waiter)
            goers -= 1
        assert goers == 0

    @rule(side=SIDES)
    def look(self, side):
        assert self.side(side)("get_value") == self.value

    @precondition(lambda self: self.value == 0 and self.room())
    @rule(side=SIDES)
    def one_waits(self, side):
        self.wait(side, "acquire")

    @rule()
    def the_other_dies(self):
        self.other_dies()

    def rescue(self):
        while self.queue:
            self.release((HERE, 0), 1)


class PlainBoundedSemaphoreMachine(SemaphoreMachine):
    kind, args, bound = "BoundedSemaphore", (2,), 2
    kwargs = {"owned": False}  # noqa: RUF012


class PermitsMachine(Machine):
    """Permits that have owners: first come, first served; any process may release those of another."""

    kind, args = "BoundedSemaphore", (3,)
    strict = False  # whether only an owner may release

    def begin(self):
        self.held, self.late = [0, 0], 0  # late: what a dead one held, and may still be released

    @property
    def free(self):
        return self.args[0] - sum(self.held)

    def grant(self):
        while self.queue and self.free:
            process, call, _ = self.queue.pop(0)
            assert call.result() is True
            self.held[process] += 1

    @rule(side=SIDES, how=TRIES)
    def acquire(self, side, how):
        got = self.side(side)("acquire", **how)
        assert got is (self.free > 0)
        self.held[side[0]] += got

    @rule(side=SIDES, n=st.integers(1, 3))
    def release(self, side, n):
        process = side[0]
        mine, others = self.held[process], self.held[1 - process]
        if n > (mine if self.strict else mine + self.late + others):
            with pytest.raises(ValueError, match="too many times"):
                self.side(side)("release", n)
            return
        self.side(side)("release", n)
        from_mine = min(n, mine)
        from_late = min(n - from_mine, self.late)
        self.held[process] -= from_mine
        self.late -= from_late
        self.held[1 - process] -= n - from_mine - from_late
        self.grant()

    @rule(side=SIDES)
    def look(self, side):
        assert self.side(side)("get_value") == self.free

    @precondition(lambda self: not self.free and self.room())
    @rule(side=SIDES)
    def one_waits(self, side):
        self.wait(side, "acquire")

    @rule()
    def the_other_dies(self):
        self.other_dies()
        if not self.strict:
            self.late += self.held[THERE]
        self.held[THERE] = 0
        self.grant()

    def rescue(self):
        self.there[0].kill()
        self.queue = [waiter for waiter in self.queue if waiter[0] == HERE]
        self.held[THERE] = 0
        self.grant()
        while self.queue:
            self.release((HERE, 0), 1)


class OwnedSemaphoreMachine(PermitsMachine):
    kind, strict = "Semaphore", True
    kwargs = {"owned": True}  # noqa: RUF012


class LatchMachine(Machine):
    kind, args = "Latch", (4,)

    def begin(self):
        self.count = 4

    @rule(side=SIDES, n=st.sampled_from([1, 1, 1, 2, 5]))
    def count_down(self, side, n):
        self.side(side)("count_down", n)
        self.count = max(0, self.count - n)
        while self.queue and not self.count:
            assert self.queue.pop()[1].result() is True

    @rule(side=SIDES, timeout=MOMENTS)
    def look(self, side, timeout):
        assert self.side(side)("count") == self.count
        assert self.side(side)("wait", timeout) is (self.count == 0)

    @precondition(lambda self: self.count and self.room())
    @rule(side=SIDES)
    def one_waits(self, side):
        self.wait(side, "wait")

    @rule()
    def the_other_dies(self):
        self.other_dies()

    def rescue(self):
        self.count_down((HERE, 0), 4)


class ConditionMachine(Machine):
    """Those that wait go on in order, as many as are notified."""

    kind = "Condition"

    @precondition(lambda self: self.room())
    @rule(side=SIDES)
    def one_waits(self, side):
        self.wait(side, wait_within)

    @rule(side=SIDES, n=st.integers(0, 3))
    def notify(self, side, n):
        self.side(side)(notify_within, n)
        for _, call, _ in self.queue[:n]:
            assert call.result() is True
        del self.queue[:n]

    @rule(side=SIDES, timeout=MOMENTS)
    def one_waits_in_vain(self, side, timeout):
        assert self.side(side)(wait_within, timeout) is False

    @rule(side=SIDES)
    def look(self, side):
        assert self.side(side)("_waiting") == len(self.queue)
        assert self.side(side)("acquire", False) is True
        self.side(side)("release")

    @precondition(lambda self: self.queue)
    @rule(n=st.integers(1, 3))
    def the_other_dies_after_a_notify(self, n):
        """Those of the chosen that die on their way out are replaced."""
        self.here[0]("acquire")
        self.here[0]("notify", n)
        self.other_dies()
        chosen, self.queue = self.queue[:n], self.queue[n:]
        assert not any(call.done() for _, call, _ in chosen)
        self.here[0]("release")
        for _, call, _ in chosen:
            assert call.result() is True

    @rule()
    def the_other_dies(self):
        self.other_dies()

    def rescue(self):
        self.notify((HERE, 0), WAITERS)


class ConditionOverLockMachine(ConditionMachine):
    kind, args = "Condition", ("Lock",)


class BarrierMachine(Machine):
    kind, args = "Barrier", (3,)

    def begin(self):
        self.broken = False

    def breaks(self):
        for _, call, _ in self.queue:
            with pytest.raises(threading.BrokenBarrierError):
                call.result()
        self.queue.clear()

    @rule(side=SIDES)
    def one_comes(self, side):
        if self.broken:
            with pytest.raises(threading.BrokenBarrierError):
                self.side(side)("wait")
        elif len(self.queue) < 2:
            self.wait(side, "wait")
        else:
            last = self.side(side)("wait")
            assert last == 2
            assert sorted(call.result() for _, call, _ in self.queue) == [0, 1]
            self.queue.clear()

    @precondition(lambda self: len(self.queue) < 2)
    @rule(side=SIDES, timeout=MOMENTS)
    def one_has_no_time(self, side, timeout):
        with pytest.raises(threading.BrokenBarrierError):
            self.side(side)("wait", timeout)
        self.broken = True
        self.breaks()

    @rule(side=SIDES)
    def abort(self, side):
        self.side(side)("abort")
        self.broken = True
        self.breaks()

    @rule(side=SIDES)
    def reset(self, side):
        self.side(side)("reset")
        self.broken = False
        self.breaks()

    @rule(side=SIDES)
    def look(self, side):
        assert self.side(side)("broken") is self.broken
        assert self.side(side)("n_waiting") == len(self.queue)
        assert self.side(side)("parties") == 3

    @rule()
    def the_other_dies(self):
        within = any(process == THERE for process, _, _ in self.queue)
        self.other_dies()
        if within:
            self.broken = True
            self.breaks()

    def rescue(self):
        self.abort((HERE, 0))


class RWLockMachine(Machine):
    kind = "RWLock"

    def begin(self):
        self.reads, self.writer, self.told = [0, 0], None, False

    def writers_wait(self):
        return any(kind == "write" for _, _, kind in self.queue)

    def go(self, waiter):
        process, call, kind = waiter
        assert call.result() is True
        self.queue.remove(waiter)
        if kind == "read":
            self.reads[process] += 1
        else:
            self.writer = process

    def settle(self, after_write=False):
        """After a write all readers that wait go in; else a writer, if nobody reads; else who may."""
        if self.writer is not None:
            return
        if after_write or not self.writers_wait():
            for waiter in [w for w in self.queue if w[2] == "read"]:
                self.go(waiter)
        if self.writers_wait() and not sum(self.reads):
            self.go(next(w for w in self.queue if w[2] == "write"))

    @rule(side=SIDES, how=TRIES)
    def try_to_read(self, side, how):
        got = self.side(side)("acquire_read", **how)
        assert got is (self.writer is None and not self.writers_wait())
        self.reads[side[0]] += got

    @rule(side=SIDES, how=TRIES)
    def try_to_write(self, side, how):
        got = self.side(side)("acquire_write", **how)
        assert got is (self.writer is None and not sum(self.reads) and not self.writers_wait())
        if got:
            self.writer = side[0]

    @rule(side=SIDES)
    def release_read(self, side):
        if not self.reads[side[0]]:
            with pytest.raises(ValueError, match="does not hold"):
                self.side(side)("release_read")
            return
        self.side(side)("release_read")
        self.reads[side[0]] -= 1
        self.settle()

    @rule(side=SIDES)
    def release_write(self, side):
        if self.writer != side[0]:
            with pytest.raises(ValueError, match="does not hold"):
                self.side(side)("release_write")
            return
        self.side(side)("release_write")
        self.writer, self.told = None, False
        self.settle(after_write=True)

    @precondition(lambda self: self.room() and (self.writer is not None or self.writers_wait()))
    @rule(side=SIDES)
    def a_reader_waits(self, side):
        self.wait(side, "acquire_read", kind="read")

    @precondition(lambda self: self.room() and (self.writer is not None or sum(self.reads)))
    @rule(side=SIDES)
    def a_writer_waits(self, side):
        self.wait(side, "acquire_write", kind="write")

    @rule()
    def the_other_dies(self):
        wrote = self.writer == THERE
        self.other_dies()
        self.reads[THERE] = 0
        if wrote:
            self.writer, self.told = None, True
        self.settle(after_write=wrote)

    @rule(side=SIDES)
    def look(self, side):
        assert self.side(side)("readers") == sum(self.reads)
        assert self.side(side)("abandoned") is self.told
        pid = None if self.writer is None else self.side((self.writer, 0)).pid
        assert self.side(side)("_writer_pid") == pid

    def rescue(self):
        self.there[0].kill()
        wrote = self.writer == THERE
        self.queue = [waiter for waiter in self.queue if waiter[0] == HERE]
        self.reads[THERE] = 0
        if wrote:
            self.writer = None
        self.settle(after_write=wrote)
        while self.queue:
            (self.release_read if self.writer is None else self.release_write)((HERE, 0))


MACHINES = [
    LockMachine,
    RLockMachine,
    EventMachine,
    SemaphoreMachine,
    PlainBoundedSemaphoreMachine,
    PermitsMachine,
    OwnedSemaphoreMachine,
    LatchMachine,
    ConditionMachine,
    ConditionOverLockMachine,
    BarrierMachine,
    RWLockMachine,
]


@pytest.mark.parametrize("machine", MACHINES)
def test_it_does_what_its_model_does(machine):
    hypothesis.stateful.run_state_machine_as_test(machine, settings=PROFILE)
