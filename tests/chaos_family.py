"""The part of chaos.py that plays with permits, reads and writes, notifications, rounds and latches.

A mixin each for what the workers share, for what they do, and for the one that kills.
"""

import contextlib
import ctypes
import os
import time
from multiprocessing.sharedctypes import RawArray, RawValue

import latchwork
from latchwork import BrokenBarrierError

PERMITS = 3
PARTIES = 3
LATCHES = 64
LATE = (
    5.0  # a notification that is not met with by then is lost; any re-check is over after a second
)
COUNTS = ("permits", "reads", "writes", "left", "taken", "passed", "broken", "latched", "tokens")
ROLES = ("pooler", "pooler", "pool_trier", "reader", "reader", "writer", "latcher", "taker", "deep")
# By place: so that there is always a full round, and somebody who consumes.
FIXED_ROLES = ("party",) * PARTIES + ("consumer", "consumer")


class Round:
    """A barrier's action: one more round has been full."""

    def __init__(self, number):
        self.number = number

    def __call__(self):
        self.number.value += 1


class FamilyShared:
    def __init__(self, workers: int, latches: int = LATCHES) -> None:
        self.pool = latchwork.BoundedSemaphore(PERMITS)
        self.pool_users = RawArray(ctypes.c_long, workers)
        self.rw = latchwork.RWLock()
        self.writers = RawArray(ctypes.c_long, workers)
        self.readers = RawArray(ctypes.c_long, workers)
        self.halves = RawArray(ctypes.c_long, 2)
        self.condition = latchwork.Condition()
        self.put = RawValue(ctypes.c_long, 0)
        self.taken = RawValue(ctypes.c_long, 0)
        self.round = RawValue(ctypes.c_long, 0)
        self.barrier = latchwork.Barrier(PARTIES, action=Round(self.round))
        self.latches = [latchwork.Latch(2) for _ in range(latches)]
        self.latch = RawValue(ctypes.c_long, 0)
        self.tokens = latchwork.Semaphore(0)
        self.made = 6 + latches


def is_alive(stamp: int) -> bool:
    """Not a zombie, and not on its way to be one: flags of proc(5), PF_EXITING."""
    try:
        with open(f"/proc/{stamp >> 20}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX" and not int(fields[6]) & 4


def living(stamps) -> list[int]:
    """Those inside at one moment: nothing changed between two looks at all."""
    while True:
        first, second = stamps[:], stamps[:]
        if first == second:
            return [stamp >> 20 for stamp in first if stamp and is_alive(stamp)]


class FamilyRoles:
    def stamped(self) -> int:
        """This process, and that it is inside once more."""
        self.turn = (getattr(self, "turn", 0) + 1) % (1 << 20)
        return os.getpid() << 20 | self.turn

    def linger(self) -> None:
        if self.random.random() < 0.1:
            time.sleep(self.random.random() * 0.002)

    @contextlib.contextmanager
    def permit_in_use(self, users, permits):
        users[self.place] = self.stamped()
        if sum(map(bool, users[:])) > permits and len(inside := living(users)) > permits:
            self.breach(f"pool: {inside} have {permits} permits")
        try:
            yield
        finally:
            users[self.place] = 0
        self.count("permits")

    def use_permit(self) -> None:
        with self.permit_in_use(self.shared.pool_users, PERMITS):
            self.linger()

    def pooler(self) -> None:
        with self.shared.pool:
            self.use_permit()

    def pool_trier(self) -> None:
        if self.shared.pool.acquire(timeout=self.random.choice((0, 0.0001, 0.001, 0.01))):
            self.use_permit()
            self.shared.pool.release()
        else:
            self.count("timeouts")

    @contextlib.contextmanager
    def reading(self):
        shared = self.shared
        shared.readers[self.place] = self.stamped()
        told, before = shared.rw.abandoned, shared.halves[:]
        try:
            yield
        finally:
            inside = living(shared.writers) if any(shared.writers[:]) else []
            if inside or before != shared.halves[:] or (before[0] != before[1] and not told):
                self.breach(
                    f"rwlock: {os.getpid()} reads {before} told={told} while {inside} write"
                )
            shared.readers[self.place] = 0
        self.count("reads")

    @contextlib.contextmanager
    def writing(self):
        shared = self.shared
        shared.writers[self.place] = self.stamped()
        told = shared.rw.abandoned
        inside = living(shared.readers) if any(shared.readers[:]) else []
        others = living(shared.writers)
        if inside or others != [os.getpid()] or (shared.halves[0] != shared.halves[1] and not told):
            self.breach(f"rwlock: {others} write {shared.halves[:]} told={told}, {inside} read")
        shared.halves[0] += 1
        try:
            yield
        finally:
            shared.halves[1] = shared.halves[0]
            shared.writers[self.place] = 0
        if told:
            self.count("left")
        self.count("writes")

    def reader(self) -> None:
        if not self.shared.rw.acquire_read(timeout=self.random.choice((None, None, 0.001))):
            return self.count("timeouts")
        with self.reading():
            self.linger()
        self.shared.rw.release_read()

    def writer(self) -> None:
        if not self.shared.rw.acquire_write(timeout=self.random.choice((None, None, 0.001))):
            return self.count("timeouts")
        with self.writing():
            time.sleep(self.random.random() * 0.002)
        self.shared.rw.release_write()
        time.sleep(self.random.random() * 0.002)

    def consumer(self) -> None:
        shared = self.shared
        with shared.condition as _:
            while shared.put.value == shared.taken.value:
                self.hand_on_what_a_dead_one_took(shared.condition)
                shared.condition.wait(self.random.choice((None, None, 0.001, 0.01)))
                self.count("timeouts")
            shared.taken.value += 1
            self.hand_on_what_a_dead_one_took(shared.condition)
        self.count("taken")

    def hand_on_what_a_dead_one_took(self, *conditions: latchwork.Condition) -> None:
        """It may have died with the lock after its wait had returned: only `abandoned` tells of that."""
        for condition in conditions:
            if condition._lock.abandoned:
                condition.notify_all()

    def party(self) -> None:
        shared = self.shared
        before = shared.round.value
        try:
            shared.barrier.wait()
        except BrokenBarrierError:
            self.count("broken")
            time.sleep(0.001)
            return
        self.passed(before)
        self.linger()

    def passed(self, before: int) -> None:
        # More than one, if the action had run in a round that failed by a death at its very end.
        if self.shared.round.value <= before:
            self.breach(f"barrier: passed, and the action had not run since round {before}")
        self.count("passed")

    def latcher(self) -> None:
        latch = self.shared.latches[self.shared.latch.value]
        if not latch.wait():
            self.breach("wait() without a timeout returned False")
        self.latched(latch)
        time.sleep(0.005)

    def latched(self, latch: latchwork.Latch) -> None:
        if latch.count:
            self.breach("latch: passed a closed one")
        self.count("latched")

    def taker(self) -> None:
        if not self.shared.tokens.acquire():
            self.breach("tokens: acquire() without a timeout returned False")
        self.count("tokens")

    def deep(self) -> None:
        """The last of the locks is recursive."""
        lock = self.shared.locks[-1]
        with lock, lock, lock:
            if lock._count() != 3:
                self.breach(f"rlock: at depth {lock._count()} of 3")
            self.section(len(self.shared.locks) - 1)


class FamilyChaos:
    """What the one that kills does in between, so that those who wait for it go on."""

    latches_open_after = 0.3

    def begin_family(self) -> None:
        self.since = 0.0  # when the item was put that is not yet taken
        self.latest = 0.0
        self.late = LATE
        self.opened = time.monotonic()
        self.helped = 0
        self.given = 0

    def tend_family(self) -> str | None:
        shared, now = self.shared, time.monotonic()
        if shared.barrier.broken:
            shared.barrier.reset()
        if shared.tokens.get_value() < 2:
            self.give(3)
        if (
            now - self.opened > self.latches_open_after
            and shared.latch.value < len(shared.latches) - 1
        ):
            for _ in range(2):
                shared.latches[shared.latch.value].count_down()
            shared.latch.value += 1
            self.opened = now
        return self.tend_queue(now)

    def give(self, tokens: int) -> None:
        self.shared.tokens.release(tokens)
        self.given += tokens

    def tend_queue(self, now: float) -> str | None:
        """One item at a time: so no second notification can hide that the first was lost."""
        shared = self.shared
        if shared.put.value != shared.taken.value:
            late = now - self.since
            if late < 1.5:
                return None
            if not shared.condition.acquire(timeout=LATE):
                return "the condition's lock can't be had"
            told = shared.condition._lock.abandoned
            if told:
                shared.condition.notify_all()
                self.since = now
                self.helped += 1
            here = shared.put.value != shared.taken.value
            shared.condition.release()
            if here and not told and late > self.late:
                return f"condition: a notification was lost, {late:.1f} s ago"
            return None
        if self.since and self.late == LATE:
            self.latest = max(self.latest, now - self.since)
        if not shared.condition.acquire(timeout=LATE):
            return "the condition's lock can't be had"
        if shared.condition._lock.abandoned:
            shared.condition.notify_all()
        if shared.put.value == shared.taken.value:
            shared.condition.notify()
            shared.put.value += 1
            self.since = time.monotonic()
        shared.condition.release()
        return None

    def family_unsettled(self) -> str | None:
        """Nobody is at anything any more."""
        shared = self.shared
        if problem := permits_missing(shared.pool, PERMITS):
            return problem
        if not shared.rw.acquire_write(timeout=5):
            return f"{shared.rw} can't be written"
        if shared.rw.abandoned:
            shared.halves[1] = shared.halves[0]
        shared.rw.release_write()
        if shared.rw.readers or not shared.rw.acquire_read(block=False):
            return f"{shared.rw} can't be read"
        shared.rw.release_read()
        if shared.barrier.n_waiting:
            return f"{shared.barrier.n_waiting} that are gone wait at the barrier"
        return waits_left(shared.condition)


def permits_missing(pool, permits: int) -> str | None:
    if pool.get_value() != permits:
        return f"{pool.get_value()} of {permits} permits came back"
    if any(not pool.acquire(block=False) for _ in range(permits)):
        return "a permit that is there can't be had"
    pool.release(permits)
    return None


def waits_left(condition) -> str | None:
    if not condition.acquire(timeout=5):
        return f"the lock of {condition} can't be had"
    condition.notify_all()
    left = condition._waiting()
    condition.release()
    return f"{left} that are gone wait for {condition}" if left else None
