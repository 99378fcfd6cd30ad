"""How often a primitive goes from one owner to the next, seen by looking again and again."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from latchwork.inspect import Statistics, View

WINDOW = 5.0  # seconds over which it is averaged
Owners = frozenset[tuple[int, int | None, int | None, float | None]]


@dataclass(slots=True)
class _Seen:
    owners: Owners
    changes: deque[tuple[float, int]] = field(default_factory=deque)


class Rates:
    """Counts the owners that are new since the last look: of hand-offs between two looks only the last
    is seen, so this is the least that it can have been.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._began: float | None = None
        self._last = 0.0

    def look(self, views: Iterable[View]) -> None:
        """Take in what is seen now."""
        before, self._seen = self._seen, {}
        for view in views:
            self._last = max(self._last, view.taken)
            for one in view.primitives:
                self._seen[one.id] = self._next(before.get(one.id), one, view.taken)
        if self._began is None and self._last:
            self._began = self._last

    def _next(self, seen: _Seen | None, one: Statistics, taken: float) -> _Seen:
        owners = frozenset((it.pid, it.thread, it.task, it.since) for it in one.owners)
        if seen is None:
            return _Seen(owners)
        new = len(owners - seen.owners)
        if new:
            seen.changes.append((taken, new))
        while seen.changes and seen.changes[0][0] <= taken - WINDOW:
            seen.changes.popleft()
        seen.owners = owners
        return seen

    def of(self, primitive: Statistics) -> float | None:
        """A second, at least; None before the second look, and of what has no owners."""
        seen = self._seen.get(primitive.id)
        if seen is None or self._began is None or self._last <= self._began:
            return None
        if not seen.owners and not seen.changes:
            return None
        span = min(WINDOW, self._last - self._began)
        return sum(number for _, number in seen.changes) / span
