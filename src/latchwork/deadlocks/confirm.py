"""Looking twice: what is read while it changes may look like a deadlock, and is none."""

import math
import time
from collections.abc import Callable, Iterable

from latchwork.inspect import threads
from latchwork.inspect.deadlock import Deadlock
from latchwork.inspect.graph import deadlock_of
from latchwork.inspect.model import Owner, View
from latchwork.inspect.waits import TICK, Edge, Node, Wait

Facts = Callable[[], Iterable[View]]

BETWEEN = 0.02  # seconds from one look to the next: over a tick of the stamps of owners
PATIENCE = 0.2  # for others to be seen asleep, and for what they tell of themselves to be there
PAUSE = 0.002
SAME_TIME = 0.001  # of two readings of one time


def confirmed(first: Deadlock, me: Node, facts: Facts) -> Deadlock | None:
    """The deadlock in which I take part, just seen first, if it is one for certain at one moment."""
    looked = time.time()
    if not _began_before(first, looked) or not _all_asleep(first, me):
        return None
    time.sleep(max(0.0, looked + BETWEEN - time.time()))
    second = deadlock_of(me, facts())
    if second is None or not _same(first, second):
        return None
    return _with_lines(me, facts, second)


def _began_before(deadlock: Deadlock, looked: float) -> bool:
    """Whether nothing in it is so young that its stamp could be that of something newer."""
    return all(
        edge.owner is None or edge.owner.since is None or edge.owner.since <= looked - TICK
        for wait in deadlock.waits
        for edge in wait.edges
    )


def _all_asleep(deadlock: Deadlock, me: Node) -> bool:
    """See each of the other threads asleep once: it has been granted nothing that it does not know."""
    awake = {node for node in deadlock.nodes if node.kind == "thread" and node != me}
    end = time.monotonic() + PATIENCE
    while True:
        awake = {node for node in awake if not threads.asleep(node.pid, node.number)}
        if not awake or time.monotonic() > end:
            return not awake
        time.sleep(PAUSE)


def _same(first: Deadlock, second: Deadlock) -> bool:
    return first.nodes == second.nodes and all(
        (again := second.of(wait.node)) is not None and _same_wait(wait, again)
        for wait in first.waits
    )


def _same_wait(one: Wait, other: Wait) -> bool:
    return (
        one.primitive.id == other.primitive.id
        and one.arena == other.arena
        and one.waiter.wants == other.waiter.wants
        and _same_time(one.waiter.since, other.waiter.since)
        and len(one.edges) == len(other.edges)
        and all(
            a.to == b.to and _same_owner(a.owner, b.owner)
            for a, b in zip(_sorted(one), _sorted(other), strict=True)
        )
    )


def _sorted(wait: Wait) -> list[Edge]:
    return sorted(wait.edges, key=lambda edge: edge.to)


def _same_owner(one: Owner | None, other: Owner | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        one.count == other.count and one.mode == other.mode and _same_time(one.since, other.since)
    )


def _same_time(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=0, abs_tol=SAME_TIME)


def _with_lines(me: Node, facts: Facts, deadlock: Deadlock) -> Deadlock | None:
    """The same once each has told its line; if one never does, as it is."""
    end = time.monotonic() + PATIENCE
    while any(wait.waiter.line is None for wait in deadlock.waits) and time.monotonic() < end:
        time.sleep(BETWEEN)
        again = deadlock_of(me, facts())
        if again is None or not _same(deadlock, again):
            return None
        deadlock = again
    return deadlock
