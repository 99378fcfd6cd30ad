"""What is seen while eight processes use a primitive as fast as they can: never a contradiction."""

import collections
import contextlib
import time

import pytest
from party import FORK
from remote import until

import latchwork
import latchwork.inspect

PROCESSES = 8
SECONDS = 0.5
TICK = 0.05
LIMIT = 3


# --- what the eight do --------------------------------------------------------------------------------


def lock(primitive, number):
    with primitive:
        pass


def rlock(primitive, number):
    with primitive, primitive:
        pass


def permits(primitive, number):
    with primitive:
        if number % 2 and primitive.acquire(block=False):
            primitive.release()


def rwlock(primitive, number):
    with primitive.write() if number < 2 else primitive.read():
        pass


def event(primitive, number):
    if number == 0:
        primitive.set()
        primitive.clear()
    else:
        primitive.wait(0.01)


def condition(primitive, number):
    with primitive:
        if number < 2:
            primitive.notify(3)
        else:
            primitive.wait(0.01)


def barrier(primitive, number):
    with contextlib.suppress(latchwork.BrokenBarrierError):
        primitive.wait(10)


def hammer(act, primitive, number, over):
    for _ in iter(over.is_set, True):
        act(primitive, number)
    if act is barrier:
        primitive.abort()


# --- what must hold -----------------------------------------------------------------------------------


def broken(seen, pids, began):
    """Which law one answer breaks."""
    owners, waiters = seen.owners, seen.waiters
    held = sum(owner.count for owner in owners)
    modes = {owner.mode for owner in owners}
    threads = [who.thread for who in waiters]
    kind = {
        "Lock": lambda: (
            len(owners) <= 1 and held <= 1 and seen.state == ("held" if owners else "free")
        ),
        "RLock": lambda: (
            len(owners) <= 1 and held <= 2 and seen.state == ("held" if owners else "free")
        ),
        "BoundedSemaphore": lambda: (
            held <= seen.limit == LIMIT
            and 0 <= seen.value <= seen.limit - held
            and seen.state == ("available" if seen.value else "exhausted")
        ),
        "RWLock": lambda: (
            {"free": set(), "read": {"read"}, "write": {"write"}}[seen.state] == modes
            and ("write" not in modes or held == 1)
            and len(owners) <= PROCESSES
        ),
        "Event": lambda: seen.state in ("set", "clear"),
        "Condition": lambda: seen.state == "waiting" or not waiters,
        "Barrier": lambda: (
            seen.state in ("filling", "running", "broken")
            and 0 <= seen.value <= seen.limit == PROCESSES
        ),
    }[seen.kind]
    laws = {
        "the state fits": kind(),
        "the living": {who.pid for who in (*owners, *waiters)} <= pids,
        "no time to come": all(who.since <= seen.taken for who in (*owners, *waiters)),
        "nor one long past": all(
            who.since is None or who.since > began - TICK for who in (*owners, *waiters)
        ),
        "one wait a thread": len(set(threads)) == len(threads),
        "threads": all(who.thread == who.pid for who in waiters)
        and all(owner.thread in (None, owner.pid) for owner in owners),
        "an owner has it": seen.kind not in ("Lock", "RLock")
        or not {owner.pid for owner in owners} & {who.pid for who in waiters},
        "longest first": list(waiters) == sorted(waiters, key=lambda who: who.since),
        "nobody died": seen.abandoned == 0,
    }
    return [law for law, holds in laws.items() if not holds]


def watch(name, namespace, pids, began, seconds):
    """Look in every way for so long: how often, what was seen at least once, and what was wrong."""
    breaches, states, looks = [], collections.Counter(), 0
    inside = latchwork.inspect.find(name, namespace)[0].kind
    mine = getattr(latchwork, inside)(
        *{"BoundedSemaphore": [LIMIT], "Barrier": [PROCESSES]}.get(inside, []),
        name=name,
        namespace=namespace,
    )
    end = time.time() + seconds
    while time.time() < end and len(breaches) < 5:
        for seen in (
            *latchwork.inspect.find(name, namespace),
            *(
                one
                for view in latchwork.inspect.views()
                if view.namespace == namespace
                for one in view.primitives
                if one.name == name
            ),
            mine.statistics(),
        ):
            looks += 1
            states[seen.state, bool(seen.owners), bool(seen.waiters)] += 1
            breaches += [(law, seen) for law in broken(seen, pids, began)]
        assert repr(mine).startswith(f"<{inside} ")
    return looks, dict(states), breaches


CASES = {
    "Lock": (lock, ()),
    "RLock": (rlock, ()),
    "BoundedSemaphore": (permits, (LIMIT,)),
    "RWLock": (rwlock, ()),
    "Event": (event, ()),
    "Condition": (condition, ()),
    "Barrier": (barrier, (PROCESSES,)),
}


@pytest.mark.parametrize("kind", CASES)
def test_no_look_at_a_hammered_one_contradicts_itself(kind, outsider):
    act, made = CASES[kind]
    primitive = getattr(latchwork, kind)(*made, name="it", namespace=f"hammered-{kind}")
    over, began = latchwork.Event(), time.time()
    children = [
        FORK.Process(target=hammer, args=(act, primitive, number, over), daemon=True)
        for number in range(PROCESSES)
    ]
    for child in children:
        child.start()
    pids = {child.pid for child in children}
    until(lambda: primitive.statistics().owners or primitive.statistics().waiters)
    try:
        looks, states, breaches = outsider.does(
            watch, "it", f"hammered-{kind}", pids, began, SECONDS
        )
    finally:
        over.set()
        for child in children:
            child.join(30)
    assert breaches == []
    assert looks > 0
    assert any(owners or waiters for _, owners, waiters in states), states
    assert [child.exitcode for child in children] == [0] * PROCESSES
