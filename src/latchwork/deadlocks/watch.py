"""What the core calls when a thread has waited for long: whether and how often it looks."""

from collections.abc import Iterator
from typing import Any

from latchwork import _core, program
from latchwork.deadlocks.look import Mode
from latchwork.deadlocks.look import look as look_around
from latchwork.inspect import looking, reading
from latchwork.settings import MODES

PATIENCE = 32  # times look_after: how rare looks become that find nothing


def look(primitive: Any, may_raise: bool, looks: int) -> int:
    """Look for a deadlock; return how many times as long the next look may wait.

    A deadlock begins with a wait, and who begins it looks soon: so those that have found none look less
    and less often. DeadlockError; DeadlockWarning, where warnings are errors.
    """
    program.follow()
    look_ms, deadlock = _core.settings()
    found = next(map(reading.Found._make, primitive._arena.survey([primitive._place])), None)
    if found is not None and _may_be(found):
        mode = Mode(MODES[found.deadlock or deadlock])
        if look_around(looking.waited, mode, look_ms / 1000, may_raise=may_raise):
            return 1
    return min(1 << min(looks, 10), PATIENCE)


def _may_be(found: reading.Found) -> bool:
    """Whether all who hold it wait for ever themselves: cheap to see, and mostly not so."""
    owners = {pid for pid, *_ in found.holdings}
    if not owners:
        return _core.KINDS[found.kind] == "RWLOCK"  # read, behind a writer that waits
    for waiting in _waiting_for_ever():
        owners -= waiting
        if not owners:
            return True
    return False


def _waiting_for_ever() -> Iterator[set[int]]:
    """The pids of those, arena by arena."""
    own = dict(reading.own_places())
    for arena in own.values():
        yield _pids(arena.waiting())
    for path in reading.paths():
        if path not in own and (rows := reading.rows_of(path)):
            yield _pids(rows)


def _pids(rows: list[Any]) -> set[int]:
    return {row.pid for row in map(reading.Row._make, rows) if row.until_ns is None}
