"""What a process waits for, who holds that, what that one waits for, and so on, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from latchwork.cli import describe
from latchwork.cli.ages import age
from latchwork.cli.detail import told
from latchwork.cli.output import printable
from latchwork.cli.picture import programs_of
from latchwork.cli.processes import process
from latchwork.cli.stacks import Stacks
from latchwork.inspect import Edge, Graph, Needs, Node, View, Wait


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence."""

    kind: str
    """``waits`` or ``held``; and how it ends: ``runs``, ``stopped``, ``dead``, ``deadlock``,
    ``timeout``, ``anybody``, ``passing`` (it is being handed over); or ``above``."""
    text: str
    pid: int | None = None
    thread: int | None = None
    primitive: str | None = None
    stack: tuple[str, ...] = ()
    no_stack: str | None = None
    """Why there is none, and what to do."""


ANYBODY = {
    "Event": "Any process may set it.",
    "Condition": "Any process may notify it.",
    "Latch": "Any process may count it down.",
    "Semaphore": "Any process may release it.",
}


class Chains:
    """Follows the waits of one graph."""

    def __init__(self, views: list[View], graph: Graph, stacks: Stacks | None) -> None:
        self._graph = graph
        self._stacks = stacks
        self._programs = programs_of(views, graph)
        self._waits: dict[int, list[Wait]] = {}
        for wait in graph.waits:
            self._waits.setdefault(wait.node.pid, []).append(wait)

    def of(self, wait: Wait) -> Iterator[Step]:
        """From one wait to all ends that it has. No recursion: a chain may be long."""
        yield from _Walk(self, wait).steps()

    def end(self, pid: int, thread: int | None = None) -> Step:
        """Of a process that waits for nothing of Latchwork."""
        who = describe.process(pid, self._programs.get(pid, ""))
        there = process(pid)
        if there is None:
            why = "it has just died, or is in another container"
            return Step("dead", f"{who} is not to be seen: {why}.", pid)
        if there.is_dead:
            return Step("dead", f"{who} is dead: the next one gets what it held.", pid)
        if there.is_stopped:
            how = f"it is stopped; `kill -CONT {pid}` lets it go on."
            return Step("stopped", f"{who} waits for nothing of Latchwork, but {how}", pid)
        stack, problem = self._stack(pid, thread if thread is not None else pid)
        return Step(
            "runs",
            f"{who} runs: it waits for nothing of Latchwork.",
            pid,
            thread,
            None,
            stack,
            problem,
        )

    def _stack(self, pid: int, thread: int) -> tuple[tuple[str, ...], str | None]:
        return self._stacks.of(pid, thread) if self._stacks else ((), None)

    def waiting(self, wait: Wait) -> Step:
        """Who waits for what, for how long, where."""
        waiter, primitive = wait.waiter, wait.primitive
        stack, problem = waiter.stack, None
        if not stack and not waiter.is_task:
            stack, problem = self._stack(waiter.pid, waiter.thread)
        name = f" ({printable(waiter.thread_name)})" if waiter.thread_name else ""
        task = f"Task {wait.node.number} in t" if wait.node.kind == "task" else "T"
        task = "A task in t" if wait.node.kind == "tasks" else task
        to = {"read": "to read", "write": "to write"}.get(waiter.wants, "for")
        at = f", at {printable(stack[0])}" if stack else ""
        return Step(
            "waits",
            f"{task}hread {waiter.thread}{name} of {describe.process(waiter.pid, waiter.program)} "
            f"has waited for {age(primitive.taken - waiter.since)} {to} {printable(primitive.title)}"
            f"{at}.",
            waiter.pid,
            waiter.thread,
            primitive.id,
            stack,
            problem,
        )

    def holding(self, wait: Wait, edge: Edge) -> Step:
        """Who has what is waited for."""
        who = describe.node(edge.to, self._programs.get(edge.to.pid, ""))
        title = printable(wait.primitive.title)
        thread = edge.to.number if edge.to.kind == "thread" else None
        if edge.ahead is not None:
            text = f"A writer came first to {title}: {who}."
        else:
            owner = edge.owner
            since = None if owner is None else owner.since
            lasts = "" if since is None else f" for {age(wait.primitive.taken - since)}"
            verb = {"read": "is read", "write": "is written"}.get(
                owner.mode if owner else "", "has been held" if lasts else "is held"
            )
            text = f"{title} {verb} by {who}{lasts}."
        return Step("held", text, edge.to.pid, thread, wait.primitive.id)

    def onward(self, to: Node) -> list[Wait]:
        """What an owner waits for itself: of a process, what any of its threads does."""
        waits = self._waits.get(to.pid, [])
        mine = [wait for wait in waits if wait.node == to]
        if mine or to.kind == "thread":
            return mine
        return [wait for wait in waits if wait.node.kind == "thread"]

    def in_deadlock(self, wait: Wait) -> str | None:
        """The deadlock in which this one takes part, in words."""
        deadlock = self._graph.with_node(wait.node)
        return None if deadlock is None else told(deadlock)


class _Walk:
    """One walk along the chains: says nothing twice."""

    def __init__(self, chains: Chains, start: Wait) -> None:
        self._chains = chains
        self._ahead: list[Wait | Step] = [start]
        self._seen: set[tuple[Node, str]] = set()
        self._told: set[str] = set()

    def steps(self) -> Iterator[Step]:
        while self._ahead:
            there = self._ahead.pop()
            if isinstance(there, Step):
                yield there
                continue
            key = (there.node, there.primitive.id)
            if key in self._seen:
                yield from self._again(there)
                continue
            self._seen.add(key)
            yield self._chains.waiting(there)
            yield from self._around(there)
            for edge in reversed(there.edges):
                self._follow(there, edge)

    def _follow(self, wait: Wait, edge: Edge) -> None:
        """What is pushed last is said first: who holds it, and then on from there."""
        onward = self._chains.onward(edge.to)
        if onward:
            self._ahead += reversed(onward)
        else:
            thread = edge.to.number if edge.to.kind == "thread" else None
            self._ahead.append(self._chains.end(edge.to.pid, thread))
        self._ahead.append(self._chains.holding(wait, edge))

    def _again(self, wait: Wait) -> Iterator[Step]:
        who = describe.node(wait.node, wait.waiter.program)
        text = self._chains.in_deadlock(wait)
        if text is None:
            yield Step("above", f"What {who} waits for is said above.", wait.node.pid)
        elif text not in self._told:
            self._told.add(text)
            yield Step("deadlock", f"That closes the circle.\n{text}", wait.node.pid)

    def _around(self, wait: Wait) -> Iterator[Step]:
        """What may end this wait besides those who hold what it waits for."""
        primitive, waiter = wait.primitive, wait.waiter
        if waiter.until is not None:
            left = age(waiter.until - primitive.taken)
            yield Step("timeout", f"It gives up in {left}: it has a timeout.", waiter.pid)
        if waiter.wants == "wait":
            yield Step("anybody", self._anybody(wait), None, None, primitive.id)
        elif not wait.edges and primitive.kind == "Semaphore":
            yield Step("anybody", ANYBODY["Semaphore"], None, None, primitive.id)
        elif not wait.edges or wait.needs is Needs.ANYBODY:
            text = f"{printable(primitive.title)} is being handed over: nobody is in the way."
            yield Step("passing", text, None, None, primitive.id)
        elif wait.needs is Needs.ANY and len(wait.edges) > 1:
            text = f"Any of {len(wait.edges)} who hold it may let it go on:"
            yield Step("held", text, None, None, primitive.id)

    def _anybody(self, wait: Wait) -> str:
        primitive = wait.primitive
        if primitive.kind == "Barrier" and primitive.limit is not None:
            lacking = max(primitive.limit - (primitive.value or 0), 0)
            return (
                f"It waits until {describe.some(lacking, 'more party', 'more parties')} are there."
            )
        if primitive.kind == "Latch" and primitive.value:
            return f"{ANYBODY['Latch']} {primitive.value} to go."
        return ANYBODY.get(primitive.kind, "Any process may bring that about.")
