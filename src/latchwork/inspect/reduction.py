"""Who can never go on: all who wait, less those whom somebody who is not stuck could serve, and so on.

docs/design/006-deadlocks.md has the rules and why they are so.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from latchwork.inspect.waits import Edge, Needs, Node, Wait

Threads = Callable[[int], frozenset[int]]


class Situation:
    """The waits, by who waits, and what is known of processes."""

    def __init__(self, waits: Iterable[Wait], threads: Threads) -> None:
        self.waits: Mapping[Node, list[Wait]] = defaultdict(list)
        for wait in waits:
            self.waits[wait.node].append(wait)
        self._ask = threads
        self._known: dict[int, frozenset[Node]] = {}
        self._depends_on: dict[Node, set[Node]] = {}

    def threads(self, pid: int) -> frozenset[Node]:
        """The threads of a process, asked for once; none if it is dead."""
        if pid not in self._known:
            self._known[pid] = frozenset(Node(pid, "thread", tid) for tid in self._ask(pid))
        return self._known[pid]

    def loop(self, wait: Wait) -> Node | None:
        """The thread that must run for this task to go on."""
        if wait.node.kind in ("task", "tasks"):
            return Node(wait.waiter.pid, "thread", wait.waiter.thread)
        return None

    def stands_for(self, node: Node) -> frozenset[Node]:
        """Those who must all be blocked for an owner to be."""
        if node.kind == "thread" or (node.kind == "task" and node in self.waits):
            return frozenset((node,))
        if node.kind == "tasks":
            return frozenset()
        return self.threads(node.pid)

    def depends_on(self, node: Node) -> set[Node]:
        """All those of whom it depends whether this one can go on."""
        if node not in self._depends_on:
            self._depends_on[node] = self._dependence(node)
        return self._depends_on[node]

    def _dependence(self, node: Node) -> set[Node]:
        found: set[Node] = set()
        for wait in self.waits.get(node, ()):
            loop = self.loop(wait)
            if loop is not None:
                found.add(loop)
            if not wait.ends:
                for edge in wait.edges:
                    found |= self.stands_for(edge.to)
        return found

    def around(self, node: Node) -> set[Node]:
        """That one, and all waiting ones on whom it depends in any number of steps."""
        found, ahead = {node}, [node]
        while ahead:
            for other in self.depends_on(ahead.pop()):
                if other not in found and other in self.waits:
                    found.add(other)
                    ahead.append(other)
        return found

    def blocked(self, assumed: Iterable[Node]) -> set[Node]:
        """Those of the assumed that can't go on, although all others could."""
        blocked = {node for node in assumed if node in self.waits}
        dependent: dict[Node, set[Node]] = defaultdict(set)
        for node in blocked:
            for other in self.depends_on(node):
                dependent[other].add(node)
        ahead = list(blocked)
        while ahead:
            node = ahead.pop()
            if node in blocked and self._goes_on(node, blocked):
                blocked.discard(node)
                ahead += dependent[node]
        return blocked

    def _goes_on(self, node: Node, blocked: set[Node]) -> bool:
        return any(
            self.loop(wait) not in blocked and self._is_served(wait, blocked)
            for wait in self.waits[node]
        )

    def _is_served(self, wait: Wait, blocked: set[Node]) -> bool:
        if wait.ends:
            return True
        free = (not self.is_blocked(edge, blocked) for edge in wait.edges)
        return any(free) if wait.needs is Needs.ANY else all(free)

    def is_blocked(self, edge: Edge, blocked: set[Node]) -> bool:
        """Whether none of those who could do it can."""
        those = self.stands_for(edge.to)
        return bool(those) and those <= blocked
