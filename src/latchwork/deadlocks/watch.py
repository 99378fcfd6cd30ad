"""What the core calls when a thread has waited for long: whether and how often it looks."""

from collections.abc import Iterator
from typing import Any

from latchwork import _core
from latchwork.deadlocks.look import Mode
from latchwork.deadlocks.look import look as look_around
from latchwork.inspect import looking, reading
from latchwork.settings import MODES

PATIENCE = 8  # times look_after: how rare looks become that find nothing


def look(primitive: Any, may_raise: bool, looks: int) -> int:
    """Look for a deadlock; return how many times as long the next look may wait.

    A deadlock begins with a wait, and who begins it looks soon: so those that have found none look less
    and less often. DeadlockError; DeadlockWarning, where warnings are errors.
    """
    look_ms, deadlock = _core.settings()
    found = next(map(reading.Found._make, primitive._arena.survey([primitive._place])), None)
    if found is not None:
        mode = Mode(MODES[found.deadlock or deadlock])
        if mode is not Mode.IGNORE and _may_be(found) and _look(mode, look_ms, may_raise):
            return 1
    return min(1 << min(looks, PATIENCE), PATIENCE)


def _look(mode: Mode, look_ms: int, may_raise: bool) -> bool:
    return look_around(looking.waited, mode, look_ms / 1000, may_raise=may_raise)


def _may_be(found: reading.Found) -> bool:
    """Whether those who hold it wait for ever themselves: cheap to see, and mostly not so.

    All of them; but a writer waits for each of the readers, and who waits behind it as well.
    """
    owners = {pid for pid, *_ in found.holdings}
    shared = _core.KINDS[found.kind] == "RWLOCK"
    if not owners:
        return shared  # nobody has it: behind a writer that is about to
    for waiting in _waiting_for_ever():
        if shared and owners & waiting:
            return True
        owners -= waiting
        if not owners:
            return True
    return False


def _waiting_for_ever() -> Iterator[set[int]]:
    """The pids of those, arena by arena."""
    own = dict(reading.own_places())
    for arena in own.values():
        yield arena.endless()
    for path in reading.paths():
        if path not in own:
            yield reading.endless(path)
