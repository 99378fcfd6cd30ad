"""A deadlock as data, and in words."""

from dataclasses import dataclass

from latchwork.inspect.waits import Edge, Node, Wait


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the circle: who waits, and for whom, which leads to the next one."""

    wait: Wait
    edge: Edge


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Some who wait for each other, so that none of them can ever go on."""

    waits: tuple[Wait, ...]
    """All that take part, the last one to begin first."""
    cycle: tuple[Step, ...]
    """The shortest circle through the first of them. Whoever takes part and is not in it is needed as
    well: a writer waits for all readers, an acquirer of a permit for any of its holders."""
    certain: bool
    """Whether only those that take part could ever release what they wait for (RLocks of threads). If
    not, it is probable: any process may release a Lock, and a task may be cancelled."""

    @property
    def victim(self) -> Wait | None:
        """Whom all processes would choose to give up: the thread that began to wait last."""
        return next((wait for wait in self.waits if wait.node.kind == "thread"), None)

    @property
    def nodes(self) -> frozenset[Node]:
        """Who takes part."""
        return frozenset(wait.node for wait in self.waits)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that take part."""
        return tuple(sorted({node.pid for node in self.nodes}))

    def of(self, node: Node) -> Wait | None:
        """The wait of one that takes part."""
        return next((wait for wait in self.waits if wait.node == node), None)

    def __str__(self) -> str:
        from latchwork.inspect.telling import tell

        return tell(self)
