"""What statistics() says of each kind in each state: the same facts, whoever asks."""

import os
import time

import pytest
from actors import METHODS
from looking_on import same_for_all
from party import Party
from remote import until

import latchwork
from latchwork.inspect.programs import program

TICK = 0.05  # stamps are coarse, and so is the clock that they are compared to


@pytest.fixture
def parties():
    with_it = [Party() for _ in range(3)]
    yield with_it
    for party in with_it:
        party.process.kill()
        party.process.join()


# What is done to it, by the first party unless it is somebody else's turn; what is to be seen.
STATES = {
    "a free Lock": ("Lock", (), [], {"state": "free"}, None),
    "a Lock": ("Lock", (), ["acquire"], {"state": "held"}, (1, "held", False, True)),
    "a free RLock": ("RLock", (), [], {"state": "free"}, None),
    "a RLock": ("RLock", (), ["acquire"], {"state": "held"}, (1, "held", True, True)),
    "a RLock, twice": ("RLock", (), ["acquire"] * 2, {"state": "held"}, (2, "held", True, True)),
    "a Semaphore": ("Semaphore", (3,), ["acquire"], {"state": "available", "value": 2}, None),
    "an empty Semaphore": ("Semaphore", (0,), [], {"state": "exhausted", "value": 0}, None),
    "a BoundedSemaphore": (
        *("BoundedSemaphore", (3,), ["acquire"] * 2),
        *({"state": "available", "value": 1, "limit": 3}, (2, "held", False, False)),
    ),
    "an empty BoundedSemaphore": (
        *("BoundedSemaphore", (1,), ["acquire"]),
        *({"state": "exhausted", "value": 0, "limit": 1}, (1, "held", False, False)),
    ),
    "an untouched BoundedSemaphore": (
        *("BoundedSemaphore", (4,), []),
        *({"state": "available", "value": 4, "limit": 4}, None),
    ),
    "an Event": ("Event", (), [], {"state": "clear"}, None),
    "a set Event": ("Event", (), ["set"], {"state": "set"}, None),
    "a Latch": ("Latch", (2,), ["count_down"], {"state": "closed", "value": 1, "limit": 2}, None),
    "an open Latch": (
        *("Latch", (1,), ["count_down"], {"state": "open", "value": 0, "limit": 1}, None),
    ),
    "a Condition": ("Condition", (), [], {"state": "idle"}, None),
    "a Barrier": ("Barrier", (3,), [], {"state": "filling", "value": 0, "limit": 3}, None),
    "a broken Barrier": ("Barrier", (3,), ["abort"], {"state": "broken", "value": 0}, None),
    "a free RWLock": ("RWLock", (), [], {"state": "free"}, None),
    "a RWLock, read": (
        *("RWLock", (), ["acquire_read"] * 2, {"state": "read"}, (2, "read", False, False)),
    ),
    "a RWLock, written": (
        *("RWLock", (), ["acquire_write"], {"state": "write"}, (1, "write", False, False)),
    ),
}


@pytest.mark.parametrize("case", STATES)
def test_all_see_the_state_and_the_owner_of(case, outsider, parties):
    kind, made, acts, facts, owner = STATES[case]
    primitive = getattr(latchwork, kind)(*made)
    first, second, _ = parties
    before = time.time()
    for act in acts:
        first.does(primitive, act)
    after = time.time()
    seen = same_for_all(primitive, outsider, first, second)
    said = {name: getattr(seen, name) for name in facts}
    assert said == facts
    assert (seen.kind, seen.waiters, seen.abandoned) == (kind, (), 0)
    if owner is None:
        assert seen.owners == ()
        return
    (found,) = seen.owners
    assert (found.pid, found.count, found.mode, found.exclusive) == (first.pid, *owner[:3])
    assert found.thread == (first.pid if owner[3] else None)
    assert found.program == program(os.getpid())
    assert before - TICK <= found.since <= after
    for act in acts:
        first.does(primitive, act.replace("acquire", "release"))
    assert primitive.statistics().owners == ()


# Who makes them wait, who waits and how, what they want, the state meanwhile.
WAITS = {
    "Lock": ((), "acquire", ("acquire",), "acquire", "held"),
    "RLock": ((), "acquire", ("acquire",), "acquire", "held"),
    "Semaphore": ((1,), "acquire", ("acquire",), "acquire", "exhausted"),
    "BoundedSemaphore": ((1,), "acquire", ("acquire",), "acquire", "exhausted"),
    "Event": ((), "clear", ("wait",), "wait", "clear"),
    "Latch": ((3,), "count_down", ("wait",), "wait", "closed"),
    "Barrier": ((3,), "parties", ("wait",), "wait", "filling"),
    "RWLock/read": ((), "acquire_write", ("acquire_read",), "read", "write"),
    "RWLock/write": ((), "acquire_read", ("acquire_write",), "write", "read"),
}


@pytest.mark.parametrize("case", WAITS)
def test_all_see_who_waits_longest_first_at_a(case, outsider, parties):
    made, hold, (wait, *args), wants, state = WAITS[case]
    primitive = getattr(latchwork, case.partition("/")[0])(*made)
    first, *others = parties
    first.asked(primitive, hold).says()
    times = []
    for party in others:
        times.append(time.time())
        party.begins(primitive, wait, *args)
    until(lambda: len(primitive.statistics().waiters) == 2)
    seen = same_for_all(primitive, outsider, first)
    assert seen.state == state
    assert [(who.pid, who.thread) for who in seen.waiters] == [(one.pid,) * 2 for one in others]
    for who, began in zip(seen.waiters, times, strict=True):
        assert (who.wants, who.until, who.is_task, who.task) == (wants, None, False, None)
        assert began <= who.since <= seen.taken
    counted = "2 of 3 waiting>" if case == "Barrier" else ", 2 waiting>"
    assert repr(primitive).endswith(counted)


def test_a_condition_and_its_lock_say_who_waits_at_which(outsider, parties):
    lock = latchwork.Lock()
    condition = latchwork.Condition(lock)
    first, second, third = parties
    first.begins(Waits(condition), "now")
    holder = third
    holder.does(lock, "acquire")
    second.begins(condition, "acquire")
    until(lambda: len(lock.statistics().waiters) == 1)
    seen = same_for_all(condition, outsider, holder)
    assert (seen.state, [who.pid for who in seen.waiters]) == ("waiting", [first.pid])
    assert seen.waiters[0].wants == "wait"
    seen = same_for_all(lock, outsider, holder)
    assert [who.pid for who in seen.waiters] == [second.pid]
    # Once it was notified, it waits for the lock.
    assert third.does(condition, "notify").result is None
    until(lambda: not condition.statistics().waiters)
    assert condition.statistics().state == "idle"
    until(lambda: [who.pid for who in lock.statistics().waiters] == [second.pid, first.pid])


class Waits:
    """With a Condition's lock, as is usual; a Party calls its method."""

    def __init__(self, condition):
        self.condition = condition

    def now(self):
        with self.condition:
            return self.condition.wait()


def test_several_that_hold_are_told_apart(outsider, parties):
    rwlock, permits = latchwork.RWLock(), latchwork.BoundedSemaphore(5)
    for party, times in zip(parties, (1, 2, 1), strict=True):
        for _ in range(times):
            party.does(rwlock, "acquire_read")
            party.does(permits, "acquire")
    expected = {(party.pid, times) for party, times in zip(parties, (1, 2, 1), strict=True)}
    for primitive in (rwlock, permits):
        seen = same_for_all(primitive, outsider, *parties)
        assert {(owner.pid, owner.count) for owner in seen.owners} == expected
    assert (seen.value, seen.limit) == (1, 5)


@pytest.mark.parametrize("kind", ["Lock", "RLock", "BoundedSemaphore", "RWLock"])
def test_what_was_abandoned_is_counted_and_nobodys(kind, outsider, parties, caplog):
    primitive = getattr(latchwork, kind)()
    take = "acquire_write" if kind == "RWLock" else "acquire"
    *victims, last = parties
    for victim in victims:
        assert victim.does(primitive, take).result
        victim.gone()
        assert primitive.statistics().owners == ()
        assert primitive.statistics().state in ("free", "available")
        assert last.does(primitive, take).result
        last.does(primitive, take.replace("acquire", "release"))
    assert same_for_all(primitive, outsider, last).abandoned == 2


def test_a_broken_barrier_counts_who_died_in_it(outsider, parties):
    barrier = latchwork.Barrier(3)
    first, second, third = parties
    first.begins(barrier, "wait")
    second.begins(barrier, "wait")
    first.gone()
    assert second.says().result is latchwork.BrokenBarrierError
    seen = same_for_all(barrier, outsider, third)
    assert (seen.state, seen.waiters, seen.abandoned) == ("broken", (), 1)


@pytest.mark.parametrize("method", METHODS)
def test_children_of_every_kind_are_seen_alike(method, outsider):
    lock, rwlock = latchwork.Lock(), latchwork.RWLock()
    party = Party(latchwork.get_context(method))
    try:
        assert party.does(lock, "acquire").result
        assert party.does(rwlock, "acquire_read").result
        for primitive in (lock, rwlock):
            seen = same_for_all(primitive, outsider, party)
            assert seen.owner.pid == party.pid
        here = latchwork.Lock()
        with here:
            mine = here.statistics().owner
        assert lock.statistics().owner.program == mine.program  # its script's, not the starter's
        assert mine.pid == os.getpid()
    finally:
        party.process.kill()
        party.process.join()


def test_a_lock_that_another_thread_released_is_its_next_owners(outsider, parties):
    lock = latchwork.Lock()
    first, second, _ = parties
    first.does(lock, "acquire")
    second.begins(lock, "acquire")
    before = time.time()
    lock.release()
    assert second.says().result
    seen = same_for_all(lock, outsider, first)
    assert (seen.owner.pid, seen.owner.thread) == (second.pid, second.pid)
    assert before - TICK <= seen.owner.since
    assert seen.waiters == ()
