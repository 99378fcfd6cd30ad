"""What the core calls when a thread has waited for long: a glance, and a look if that says so.

Every process in which a thread waits for long imports this: nothing of what a look needs.
"""

from collections.abc import Iterator
from typing import Any

from latchwork import _core, directory, program
from latchwork.settings import MODES

PATIENCE = 8  # times look_after: how rare looks become that find nothing
LAST = 0xFFFFFFFE  # milliseconds, as the core counts them


def look(primitive: Any, may_raise: bool, looks: int) -> int:
    """Look for a deadlock; return after how many milliseconds to look again.

    A deadlock begins with a wait, and who begins it looks soon: so those that have found none look less
    and less often. DeadlockError; DeadlockWarning, where warnings are errors.
    """
    look_ms, deadlock = _core.settings()
    again = None
    for _, _, kind, *_, wish, holdings, _ in primitive._arena.survey([primitive._place]):
        mode = MODES[wish or deadlock]
        if mode != "ignore" and _may_be(_core.KINDS[kind], {pid for pid, *_ in holdings}):
            again = _look(mode, look_ms, may_raise)
    return min(look_ms * min(1 << looks, PATIENCE) if again is None else again, LAST)


def _look(mode: str, look_ms: int, may_raise: bool) -> int | None:
    from latchwork.deadlocks.look import Mode, look
    from latchwork.inspect.looking import waited

    again = look(waited, Mode(mode), look_ms / 1000, may_raise=may_raise)
    return None if again is None else max(1, int(again * 1000))


def _may_be(kind: str, owners: set[int]) -> bool:
    """Whether those who hold it wait for ever themselves: cheap to see, and mostly not so.

    All of them; but a writer waits for each of the readers, and who waits behind it as well.
    """
    shared = kind == "RWLOCK"
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
    own = {place.path: place.arena for place in program.places()}
    for mine in own.values():
        yield mine.endless()
    for path in directory.arenas():
        if path not in own:
            with directory.looked_into(path) as other:
                if other is not None:
                    yield other.endless()
