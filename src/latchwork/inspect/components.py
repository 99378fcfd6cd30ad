"""Strongly connected components, and the shortest way round."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def _as_finished(nodes: Iterable[T], after: Callable[[T], Iterable[T]]) -> list[T]:
    """All nodes, each behind those that were reached from it. No recursion: there may be thousands."""
    seen: set[T] = set()
    order: list[T] = []
    for root in nodes:
        work = [(root, False)]
        while work:
            node, finished = work.pop()
            if finished:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                work.append((node, True))
                work += [(other, False) for other in after(node) if other not in seen]
    return order


def components(nodes: Iterable[T], after: Callable[[T], Iterable[T]]) -> list[set[T]]:
    """The strongly connected components (Kosaraju's way)."""
    order = _as_finished(nodes, after)
    before: dict[T, list[T]] = defaultdict(list)
    for node in order:
        for other in after(node):
            before[other].append(node)
    seen: set[T] = set()
    found = []
    for root in reversed(order):
        component: set[T] = set()
        ahead = [root]
        while ahead:
            node = ahead.pop()
            if node not in seen:
                seen.add(node)
                component.add(node)
                ahead += before[node]
        if component:
            found.append(component)
    return found


def way_round(start: T, after: Callable[[T], Iterable[T]]) -> list[T]:
    """The shortest cycle through one, from it on; of several the one that ``after`` names first."""
    came: dict[T, T] = {}
    ahead = deque([start])
    while ahead:
        node = ahead.popleft()
        for other in after(node):
            if other == start:
                cycle = [node]
                while cycle[-1] != start:
                    cycle.append(came[cycle[-1]])
                return cycle[::-1]
            if other not in came:
                came[other] = node
                ahead.append(other)
    return []
