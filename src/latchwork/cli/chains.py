"""What a process waits for, who holds that, what that one waits for, and so on, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from latchwork.cli import describe
from latchwork.cli.ages import age
from latchwork.cli.detail import told
from latchwork.cli.output import printable
from latchwork.cli.picture import programs_of
from latchwork.cli.processes import child, is_below, process
from latchwork.cli.stacks import Stacks
from latchwork.inspect import Edge, Graph, Needs, Node, View, Wait
from latchwork.inspect.programs import program

RUN = "latchwork run"


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence."""

    kind: str
    """``waits``, ``held``, or ``command`` (of ``latchwork run``); and how it ends: ``runs``,
    ``stopped``, ``dead``, ``deadlock``, ``timeout``, ``anybody``, ``passing`` (it is being handed
    over); or ``above``."""
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
        yield from _Walk(self, [wait]).steps()

    def of_idle(self, pid: int) -> Iterator[Step]:
        """Of a process that waits for nothing."""
        yield from _Walk(self, self.beyond(Node(pid, "thread", pid))).steps()

    def beyond(self, who: Node) -> list[Wait | Step]:
        """What there is to be said of one that waits for nothing: what its command does, or its end."""
        command = child(who.pid) if self._program(who.pid) == RUN else None
        if command is None:
            return [self._end(who)]
        it = Node(command, "process")
        text = f"{self.name(who)} runs a command, and ends with it: {self.name(it)}."
        waits = [wait for wait in self._graph.waits if is_below(wait.node.pid, command)]
        return [Step("command", text, who.pid), *(waits or (self._end(it),))]

    def _end(self, who: Node) -> Step:
        pid, name = who.pid, self.name(who)
        there = process(pid)
        if there is None:
            why = "it has just died, or is in another container"
            return Step("dead", _sentence(f"{name} is not to be seen: {why}."), pid)
        if there.is_dead:
            return Step("dead", _sentence(f"{name} is dead: the next one gets what it held."), pid)
        if there.is_stopped:
            how = f"it is stopped; `kill -CONT {pid}` lets it go on."
            text = _sentence(f"{name} waits for nothing of Latchwork, but {how}")
            return Step("stopped", text, pid)
        thread = who.number if who.kind == "thread" else None
        stack, problem = (
            self._stack(pid, thread or pid) if not who.kind.startswith("task") else ((), None)
        )
        return Step(
            "runs",
            _sentence(f"{name} runs: it waits for nothing of Latchwork."),
            pid,
            thread,
            None,
            stack,
            problem,
        )

    def _program(self, pid: int) -> str:
        return self._programs.get(pid) or program(pid)

    def name(self, who: Node) -> str:
        """A main thread is told from its process where others of that wait."""
        told = describe.node(who, self._program(who.pid))
        others = any(wait.node != who for wait in self._waits.get(who.pid, ()))
        is_main = who.kind == "thread" and who.number == who.pid
        return f"the main thread of {told}" if is_main and others else told

    def _stack(self, pid: int, thread: int) -> tuple[tuple[str, ...], str | None]:
        if self._stacks is None or self._program(pid).startswith("latchwork "):
            return (), None  # nobody wants to read of Latchwork's own commands
        return self._stacks.of(pid, thread)

    def waiting(self, wait: Wait) -> Step:
        """Who waits for what, for how long, where."""
        waiter, primitive = wait.waiter, wait.primitive
        stack, problem = waiter.stack, None
        if not stack and not waiter.is_task:
            stack, problem = self._stack(waiter.pid, waiter.thread)
        to = {"read": "to read", "write": "to write"}.get(waiter.wants, "for")
        at = f", at {printable(stack[0])}" if stack else ""
        who = self._waiting_one(wait)
        return Step(
            "waits",
            _sentence(
                f"{who} has waited for {age(primitive.taken - waiter.since)} {to} "
                f"{printable(primitive.title)}{at}."
            ),
            waiter.pid,
            waiter.thread,
            primitive.id,
            stack,
            problem,
        )

    def _waiting_one(self, wait: Wait) -> str:
        thread = describe.thread(wait.waiter)
        if wait.node.kind == "thread" and thread == describe.MAIN_THREAD:
            name = self.name(wait.node)
        else:
            process = describe.process(wait.waiter.pid, wait.waiter.program)
            of_main = "" if thread == describe.MAIN_THREAD else f"{thread} of "
            number = f" {wait.node.number}" if wait.node.kind == "task" else ""
            task = {"task": f"task{number} in ", "tasks": "a task in "}.get(wait.node.kind, "")
            name = f"{task}{of_main}{process}"
        return name

    def holding(self, wait: Wait, edge: Edge) -> Step:
        """Who has what is waited for."""
        who = self.name(edge.to)
        title = printable(wait.primitive.title)
        thread = edge.to.number if edge.to.kind == "thread" else None
        if edge.ahead is not None:
            text = f"A writer came first to {title}: {who}."
        else:
            owner = edge.owner
            since = None if owner is None else owner.since
            lasts = "" if since is None else f" for {age(wait.primitive.taken - since)}"
            verb = "has been held" if lasts else "is held"
            to = {"read": " to read", "write": " to write"}.get(owner.mode if owner else "", "")
            text = f"{title} {verb}{to} by {who}{lasts}."
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


def _sentence(text: str) -> str:
    """It begins with a capital letter, unless that is of a word that the reader will type."""
    return text if text.startswith("pid ") else text[0].upper() + text[1:]


class _Walk:
    """One walk along the chains: says nothing twice."""

    def __init__(self, chains: Chains, start: list[Wait | Step]) -> None:
        self._chains = chains
        self._ahead = start[::-1]
        self._seen: set[tuple[Node, str]] = set()
        self._told: set[str] = set()
        self._idle: set[Node] = set()

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
        onward: list[Wait | Step] = [*self._chains.onward(edge.to)]
        if not onward:
            onward = self._idle_one(edge.to)
        self._ahead += reversed(onward)
        self._ahead.append(self._chains.holding(wait, edge))

    def _idle_one(self, who: Node) -> list[Wait | Step]:
        if who in self._idle:
            return [Step("above", f"What {self._chains.name(who)} does is said above.", who.pid)]
        self._idle.add(who)
        return self._chains.beyond(who)

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
