"""The primitives of all views as rows of a table, for `ls` and `top`."""

from collections.abc import Iterable
from dataclasses import dataclass

from latchwork.cli import describe
from latchwork.inspect import Graph, Statistics, View


@dataclass(frozen=True, slots=True)
class Row:
    """One primitive and what it takes to show it."""

    view: View
    primitive: Statistics
    stuck: bool
    """Whether a deadlock goes through it."""

    @property
    def state(self) -> str:
        """Its state in a word or two."""
        return "deadlock" if self.stuck else describe.state(self.primitive)

    @property
    def style(self) -> str:
        """The colour of the state."""
        if self.stuck:
            return "bold red"
        if self.primitive.state == "broken":
            return "yellow"
        if self.primitive.abandoned and self.primitive.state not in ("free", "set"):
            return "yellow"
        return "cyan" if self.primitive.waiters else "green" if self.primitive.owners else "dim"

    @property
    def is_of_interest(self) -> bool:
        """Whether it is named, or somebody has to do with it: a program may have a million others."""
        one = self.primitive
        return bool(one.name is not None or one.owners or one.waiters or one.abandoned)


def stuck_ones(graph: Graph) -> frozenset[str]:
    """The primitives through which a deadlock goes."""
    return frozenset(wait.primitive.id for one in graph.deadlocks for wait in one.waits)


def rows(views: Iterable[View], graph: Graph) -> list[Row]:
    """All of them: namespaces first, then programs; by name in each."""
    stuck = stuck_ones(graph)
    found = [Row(view, one, one.id in stuck) for view in views for one in view.primitives]
    return sorted(found, key=_order)


def _order(row: Row) -> tuple[bool, str, int, bool, str, str]:
    view, one = row.view, row.primitive
    return (
        view.namespace is None,
        view.namespace or "",
        view.root or 0,
        one.name is None,
        one.name or one.place or "",
        one.id,
    )
