"""The wait-for graph: who waits for whom, who can never go on, and which deadlocks there are."""

from collections.abc import Iterable
from dataclasses import dataclass

from latchwork.inspect import threads
from latchwork.inspect.components import components, way_round
from latchwork.inspect.deadlock import Deadlock, Step
from latchwork.inspect.model import View
from latchwork.inspect.reduction import Situation, Threads
from latchwork.inspect.waits import Edge, Node, Wait, waits


@dataclass(frozen=True, slots=True)
class Graph:
    """Who waits for whom, at one moment.

    What is read while it changes may not fit together: look twice before you believe in a deadlock
    (Latchwork's own warnings do).
    """

    waits: tuple[Wait, ...]
    """Every wait: who, at which primitive, and its edges to those it waits for."""
    blocked: frozenset[Node]
    """Who can never go on: those in a deadlock, and those who wait for them."""
    deadlocks: tuple[Deadlock, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Everybody who waits or is waited for."""
        found = {wait.node for wait in self.waits}
        found |= {edge.to for wait in self.waits for edge in wait.edges}
        return tuple(sorted(found))

    def of(self, pid: int) -> tuple[Wait, ...]:
        """What a process waits for."""
        return tuple(wait for wait in self.waits if wait.node.pid == pid)

    def with_node(self, node: Node) -> Deadlock | None:
        """The deadlock in which one takes part."""
        return next((one for one in self.deadlocks if node in one.nodes), None)


def graph(views: Iterable[View], *, living: Threads = threads.living) -> Graph:
    """The graph of all waits in these arenas. ``living`` gives the threads of a process."""
    all_waits = tuple(waits(views))
    situation = Situation(all_waits, living)
    blocked = situation.blocked(situation.waits)
    return Graph(all_waits, frozenset(blocked), tuple(_deadlocks(situation, blocked)))


def deadlock_of(
    node: Node, views: Iterable[View], *, living: Threads = threads.living
) -> Deadlock | None:
    """The deadlock in which this one takes part; looks at no more than it needs for that."""
    situation = Situation(waits(views), living)
    blocked = situation.blocked(situation.around(node))
    if node not in blocked:
        return None
    return next((one for one in _deadlocks(situation, blocked) if node in one.nodes), None)


def _deadlocks(situation: Situation, blocked: set[Node]) -> list[Deadlock]:
    def after(node: Node) -> list[Node]:
        return sorted(situation.depends_on(node) & blocked)

    found = []
    for component in components(sorted(blocked), after):
        # Who would go on if the others did (all of them, if it is no circle) is only stuck with those.
        stays = situation.blocked(component)
        if stays == component:
            found.append(_deadlock(situation, component))
        else:
            found += _deadlocks(situation, stays)
    return sorted(found, key=lambda one: one.waits[0].order)


def _deadlock(situation: Situation, component: set[Node]) -> Deadlock:
    latest = [max(situation.waits[node], key=lambda wait: wait.order) for node in component]
    ordered = tuple(sorted(latest, key=lambda wait: wait.order, reverse=True))
    first = next((wait for wait in ordered if wait.node.kind == "thread"), ordered[0])

    def after(node: Node) -> list[Node]:
        return sorted(situation.depends_on(node) & component)

    cycle = way_round(first.node, after)
    steps = tuple(
        _step(situation, node, following)
        for node, following in zip(cycle, cycle[1:] + cycle[:1], strict=True)
    )
    return Deadlock(ordered, steps, all(wait.exclusive for wait in ordered))


def _step(situation: Situation, node: Node, following: Node) -> Step:
    """How one of the circle leads to the next: by what it waits for, or by its event loop's thread."""
    for wait in situation.waits[node]:
        for edge in wait.edges if not wait.ends else ():
            if following in situation.stands_for(edge.to):
                return Step(wait, edge)
    return Step(situation.waits[node][0], Edge(following))
