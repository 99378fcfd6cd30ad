"""The wait-for graph as boxes and arrows, before anybody draws it.

Who waits points at the primitive that it waits for, and that at those who hold it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from latchwork.cli import describe, facts
from latchwork.cli.ages import age
from latchwork.cli.output import printable
from latchwork.inspect import Edge, Graph, Node, View, Wait


@dataclass(frozen=True, slots=True)
class Box:
    """A primitive, or somebody who waits or holds."""

    key: str
    lines: tuple[str, ...]
    is_primitive: bool
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box to another."""

    source: str
    target: str
    verb: str
    lasts: str = ""
    stuck: bool = False
    is_hold: bool = False
    """From a primitive to one who holds it; else it is a wait."""
    is_part: bool = False
    """Neither: the one belongs to the other, as threads do to their process."""

    @property
    def label(self) -> str:
        """What stands beside it."""
        return " ".join(filter(None, (self.verb, self.lasts, "by" if self.is_hold else "")))


@dataclass(slots=True)
class Picture:
    """All boxes, by key, and all arrows."""

    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: dict[tuple[str, str], Arrow] = field(default_factory=dict)

    @property
    def has_deadlock(self) -> bool:
        """Whether anything in it is stuck."""
        return any(box.stuck for box in self.boxes.values())

    def components(self) -> list[list[Box]]:
        """The boxes that hang together; those with a deadlock come first."""
        return sorted(self._components(), key=lambda boxes: not any(box.stuck for box in boxes))

    def _components(self) -> Iterator[list[Box]]:
        near: dict[str, list[str]] = {key: [] for key in self.boxes}
        for arrow in self.arrows.values():
            near[arrow.source].append(arrow.target)
            near[arrow.target].append(arrow.source)
        seen: set[str] = set()
        for start in self.boxes:
            if start in seen:
                continue
            found, ahead = set(), [start]
            while ahead:
                key = ahead.pop()
                if key not in found:
                    found.add(key)
                    ahead += near[key]
            seen |= found
            yield [box for key, box in self.boxes.items() if key in found]


def programs_of(views: list[View], graph: Graph) -> dict[int, str]:
    """What each process runs, as far as anything tells it."""
    known = {member.pid: member.program for view in views for member in view.members}
    for wait in graph.waits:
        known[wait.waiter.pid] = wait.waiter.program
        known.update((one.pid, one.program) for one in wait.primitive.owners)
    return known


def picture(views: list[View], graph: Graph) -> Picture:
    """Draw up who waits for what, and who holds that."""
    made = Picture()
    programs = programs_of(views, graph)
    for wait in graph.waits:
        _add_wait(made, graph, wait, programs)
    _add_parts(made, graph)
    return made


def _add_wait(made: Picture, graph: Graph, wait: Wait, programs: dict[int, str]) -> None:
    primitive = wait.primitive
    target = f"primitive:{primitive.id}"
    deadlock = graph.with_node(wait.node)
    _add_somebody(made, graph, wait.node, programs, wait)
    made.boxes[target] = Box(
        target,
        (printable(primitive.title), describe.state(primitive)),
        True,
        (target in made.boxes and made.boxes[target].stuck) or deadlock is not None,
    )
    wish = {"read": "waits to read", "write": "waits to write"}.get(wait.waiter.wants, "waits")
    _arrow(
        made,
        Arrow(
            facts.key(wait.node),
            target,
            wish,
            age(primitive.taken - wait.waiter.since),
            deadlock is not None,
        ),
    )
    for edge in wait.edges:
        _add_somebody(made, graph, edge.to, programs, None)
        if edge.owner is not None:
            verb = {"read": "read", "write": "written"}.get(edge.owner.mode, "held")
            since = edge.owner.since
            lasts = "" if since is None else age(primitive.taken - since)
            stuck = _closes(graph, wait, edge)
            _arrow(made, Arrow(target, facts.key(edge.to), verb, lasts, stuck, is_hold=True))


def _closes(graph: Graph, wait: Wait, edge: Edge) -> bool:
    """Whether this hold is part of the deadlock in which the wait is."""
    deadlock = graph.with_node(wait.node)
    if deadlock is None:
        return False
    return edge.to in deadlock.nodes or (edge.to.kind == "process" and edge.to.pid in deadlock.pids)


def _arrow(made: Picture, arrow: Arrow) -> None:
    """Several waits tell of the same hold: it is stuck if one of them is."""
    before = made.arrows.get((arrow.source, arrow.target))
    if before is None or not before.stuck:
        made.arrows[arrow.source, arrow.target] = arrow


def _add_somebody(
    made: Picture, graph: Graph, who: Node, programs: dict[int, str], wait: Wait | None
) -> None:
    key = facts.key(who)
    if key in made.boxes and wait is None:
        return
    program = printable(programs.get(who.pid, ""))
    lines = [f"{program} {who.pid}".strip()]
    if who.kind == "tasks":
        lines.append(f"tasks of thread {who.number}")
    elif who.kind == "task" or (who.kind == "thread" and who.number != who.pid):
        lines.append(f"{who.kind} {who.number}")
    name = wait.waiter.thread_name if wait is not None and who.kind == "thread" else None
    if name and name != describe.MAIN:
        lines.append(printable(name))
    if wait is not None and wait.waiter.line:
        lines.append(printable(wait.waiter.line.rpartition("/")[2]))
    made.boxes[key] = Box(key, tuple(lines), False, graph.with_node(who) is not None)


def _add_parts(made: Picture, graph: Graph) -> None:
    """A process that holds goes on in its threads, a task in its event loop's."""
    waiting = {wait.node: wait for wait in graph.waits}
    for who in graph.nodes:
        if who.kind in ("task", "tasks") and who in waiting:
            loop = Node(who.pid, "thread", waiting[who].waiter.thread)
            if loop in waiting:
                _part(made, graph, who, loop, "runs in")
        elif who.kind == "process":
            for other in waiting:
                if other.pid == who.pid and other.kind == "thread":
                    _part(made, graph, who, other, "its thread")


def _part(made: Picture, graph: Graph, whole: Node, part: Node, label: str) -> None:
    source, target = facts.key(whole), facts.key(part)
    deadlock = graph.with_node(part)
    stuck = deadlock is not None and _waits_for(deadlock.waits, whole)
    made.arrows.setdefault((source, target), Arrow(source, target, label, "", stuck, is_part=True))
    if stuck:
        box = made.boxes[source]
        made.boxes[source] = Box(box.key, box.lines, box.is_primitive, True)


def _waits_for(waits: tuple[Wait, ...], who: Node) -> bool:
    return any(edge.to == who or wait.node == who for wait in waits for edge in wait.edges)
