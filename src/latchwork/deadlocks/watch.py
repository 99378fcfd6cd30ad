"""What the core calls when a thread has waited for long: a glance, and a look if that says so.

Every process in which a thread waits for long imports this: nothing of what a look needs.
"""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from latchwork import _core, _hooks, directory, program
from latchwork.settings import MODES

PATIENCE = 8  # times look_after: how rare looks become that find nothing
Waiting = dict[tuple[int, int], int]  # pid and thread; since when
LAST = 0xFFFFFFFE  # milliseconds, as the core counts them


def look(primitive: Any, may_raise: bool, looks: int) -> int:
    """Look for a deadlock; return after how many milliseconds to look again.

    A deadlock begins with a wait, and who begins it looks soon: so those that have found none look less
    and less often. DeadlockError; DeadlockWarning, where warnings are errors.
    """
    with _hooks.importing:
        program.follow()
    look_ms, deadlock = _core.settings()
    again = None
    for _, _, kind, *_, wish, holdings, _ in primitive._arena.survey([primitive._place]):
        mode = MODES[wish or deadlock]
        waiting: Waiting = {}
        owners = {pid for pid, *_ in holdings}
        if mode != "ignore" and _may_be(_core.KINDS[kind], owners, waiting):
            turn = _turn_ms(holdings, waiting, look_ms) if looks == 1 else 0
            again = turn or _look(mode, look_ms, may_raise)
    return min(look_ms * min(1 << looks, PATIENCE) if again is None else again, LAST)


def _look(mode: str, look_ms: int, may_raise: bool) -> int | None:
    with _hooks.importing:
        from latchwork.deadlocks.look import Mode, look
        from latchwork.inspect import telling  # noqa: F401 - which str() of a deadlock needs
        from latchwork.inspect.looking import waited

    again = look(waited, Mode(mode), look_ms / 1000, may_raise=may_raise)
    return None if again is None else max(1, int(again * 1000))


def _may_be(kind: str, owners: set[int], waiting: Waiting) -> bool:
    """Whether those who hold it wait for ever themselves: cheap to see, and mostly not so.

    All of them; but a writer waits for each of the readers, and who waits behind it as well. ``waiting``
    is filled with those that were seen.
    """
    shared = kind == "RWLOCK"
    if not owners:
        return shared  # nobody has it: behind a writer that is about to
    of = (*owners, os.getpid())
    for rows in _arenas(of):
        pids = {pid for pid, _, _ in rows}
        waiting.update(((pid, thread), since) for pid, thread, since in rows)
        if shared and owners & pids:
            return True
        owners = owners - pids
        if not owners:
            return True
    return False


def _turn_ms(holdings: list[tuple[int, ...]], waiting: Waiting, look_ms: int) -> int:
    """In how many milliseconds to look, if the owner began to wait after this thread; or else 0.

    Who is not the last of a deadlock lets that one act first, and has no need to look before.
    """
    mine = waiting.get((os.getpid(), threading.get_native_id()), 0)
    its = max((waiting.get((pid, who), 0) for pid, who, *_ in holdings), default=0)
    if not mine or its <= mine:
        return 0
    return min(max(its // 1_000_000 + 2 * look_ms - time.time_ns() // 1_000_000, 1), look_ms)


def _arenas(pids: tuple[int, ...]) -> Iterator[list[tuple[int, int, int]]]:
    """Who of these waits for ever, arena by arena."""
    own = {place.path: place.arena for place in program.places()}
    for mine in own.values():
        yield mine.endless(pids)
    for path in directory.arenas():
        if path not in own:
            with directory.looked_into(path) as other:
                if other is not None:
                    yield other.endless(pids)
