"""Each wait, and what would have to happen to end it: the arrows of the wait-for graph."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from latchwork.inspect.model import Owner, Statistics, View, Waiter

# Stamps of owners are kept to a hundredth of a second.
TICK = 0.02


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """Somebody who waits or owns."""

    pid: int
    kind: str
    """``thread``; ``task``, one that has a number; ``tasks``, those of a thread that have none;
    ``process``, when any thread of it may release."""
    number: int = 0
    """The thread's id as the kernel has it; a task's number."""


class Needs(StrEnum):
    """Which of those that a wait waits for must release."""

    ALL = "all"
    ANY = "any"
    ANYBODY = "anybody"
    """It need not be one of those: anybody may end it, or it is about to be served."""


@dataclass(frozen=True, slots=True)
class Edge:
    """From a wait to one whom it waits for: who owns the primitive, or waits there ahead of it."""

    to: Node
    owner: Owner | None = None
    ahead: Waiter | None = None
    """The writer behind whom a reader waits."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One who waits at one primitive."""

    node: Node
    primitive: Statistics
    waiter: Waiter
    needs: Needs
    edges: tuple[Edge, ...]
    arena: str
    """The file in which the primitive is."""

    @property
    def ends(self) -> bool:
        """Whether it ends without any of those whom it waits for, by a timeout or by anybody."""
        return (
            self.needs is Needs.ANYBODY
            or self.waiter.until is not None
            or self.node.kind == "tasks"
            or not self.node.pid  # of another pid namespace: which of its threads is not known
            or not self.edges
        )

    @property
    def order(self) -> tuple[float, Node]:
        """By this the last one to wait is known, to every process alike."""
        return self.waiter.since, self.node

    @property
    def exclusive(self) -> bool:
        """Whether nobody but those whom it waits for may ever end it."""
        return self.node.kind == "thread" and all(
            edge.owner is not None and edge.owner.exclusive and edge.to.kind == "thread"
            for edge in self.edges
        )


def waiting(waiter: Waiter) -> Node:
    """Who waits."""
    if not waiter.is_task:
        return Node(waiter.pid, "thread", waiter.thread)
    if waiter.task is None:
        return Node(waiter.pid, "tasks", waiter.thread)
    return Node(waiter.pid, "task", waiter.task)


def owning(owner: Owner) -> Node:
    """Who owns."""
    if owner.task is not None:
        return Node(owner.pid, "task", owner.task)
    if owner.thread is not None:
        return Node(owner.pid, "thread", owner.thread)
    return Node(owner.pid, "process")


def waits(views: Iterable[View]) -> Iterator[Wait]:
    """All waits in these arenas."""
    for view in views:
        for primitive in view.primitives:
            for place, waiter in enumerate(primitive.waiters):
                needs, edges = _needs(primitive, place)
                yield Wait(waiting(waiter), primitive, waiter, needs, edges, view.path)


def _needs(primitive: Statistics, place: int) -> tuple[Needs, tuple[Edge, ...]]:
    waiter = primitive.waiters[place]
    edges = tuple(Edge(owning(owner), owner) for owner in primitive.owners)
    if waiter.wants == "wait":
        return Needs.ANYBODY, ()
    if primitive.kind in ("Semaphore", "BoundedSemaphore"):
        return (Needs.ANYBODY if _has_spare(primitive) else Needs.ANY), edges
    if primitive.kind == "RWLock" and waiter.wants == "read":
        return _to_read(primitive, place, edges)
    if any(_is_over(waiter, owner) for owner in primitive.owners):
        return Needs.ANYBODY, edges
    return Needs.ALL, edges


def _has_spare(semaphore: Statistics) -> bool:
    """Whether a permit is free, or on its way to somebody."""
    held = sum(owner.count for owner in semaphore.owners)
    if semaphore.value:
        return True
    return semaphore.limit is not None and held < semaphore.limit


def _to_read(
    primitive: Statistics, place: int, edges: tuple[Edge, ...]
) -> tuple[Needs, tuple[Edge, ...]]:
    """A reader waits for a write, or behind the writers that came before it: never for a read."""
    if any(owner.mode == "write" for owner in primitive.owners):
        return Needs.ALL, edges
    ahead = [earlier for earlier in primitive.waiters[:place] if earlier.wants == "write"]
    return Needs.ALL, tuple(Edge(waiting(writer), None, writer) for writer in ahead)


def _is_over(waiter: Waiter, owner: Owner) -> bool:
    """Whether it has just been served, and was read before it could say so.

    Nobody waits for an RLock of its own. A Lock one can wait for oneself, but for one had before.
    """
    if owning(owner) != waiting(waiter):
        return False
    return owner.exclusive or (owner.since is not None and owner.since > waiter.since + TICK)
