"""What a thread does that has waited for long: look whether it can ever go on, and tell or raise."""

import os
import sys
import threading
import time
import warnings
from enum import StrEnum

from latchwork.deadlocks.claims import Claim, claims
from latchwork.deadlocks.confirm import Facts, confirmed
from latchwork.errors import DeadlockError, DeadlockWarning
from latchwork.inspect.deadlock import Deadlock
from latchwork.inspect.graph import deadlock_of
from latchwork.inspect.waits import Node
from latchwork.passing import PACKAGE

SOON = 0.25  # times look_after: what could not be confirmed is looked for again


class Mode(StrEnum):
    """What is done about a deadlock."""

    WARN = "warn"
    RAISE = "raise"
    """Raise in one thread of a certain one; warn of a probable one."""
    RAISE_PROBABLE = "raise-probable"
    """Raise in one thread of either."""
    IGNORE = "ignore"

    def raises(self, deadlock: Deadlock) -> bool:
        """Whether it is to be broken."""
        return self is Mode.RAISE_PROBABLE or (self is Mode.RAISE and deadlock.certain)


def look(facts: Facts, mode: Mode, look_after: float, *, may_raise: bool = True) -> float | None:
    """See whether this thread, which waits at a primitive, is in a deadlock; tell of it, or raise.

    ``facts`` reads all arenas that may matter; it is called twice or more. ``mode`` is the setting of
    the primitive at which this thread waits, or else of the program. ``may_raise`` is False where a wait
    can't be given up: a Condition's to get its lock back. Returns after how many seconds to look again,
    as there may be a deadlock that is not certain yet, or somebody else's to tell; None: there is nothing
    (more) to do, as far as can be seen now. Raises DeadlockError if this thread is to give up, and
    DeadlockWarning where warnings are errors; waits some 20 ms between two looks, and
    half a second at most for others to be seen asleep and to tell their lines.
    """
    if mode is Mode.IGNORE:
        return None
    me = Node(os.getpid(), "thread", threading.get_native_id())
    seen = deadlock_of(me, facts())
    if seen is None:
        return None
    deadlock = confirmed(seen, me, facts)
    if deadlock is None or os.getpid() != me.pid:
        return look_after * SOON
    turn = _turn(deadlock, me, look_after)
    if turn > 0:
        return turn
    raises = may_raise and mode.raises(deadlock)
    claim = _claim("broken" if raises else "told", deadlock)
    taken = _taken(claim, deadlock, me)
    if not taken:
        return look_after if taken is None else None
    if not raises:
        return None if _warn(deadlock, claim, may_raise) else look_after
    text = str(deadlock)
    _log(text)
    raise DeadlockError(text, deadlock)


def _rank(deadlock: Deadlock, me: Node) -> int:
    """0 for the victim; the others follow in the order in which they would be."""
    able = [wait.node for wait in deadlock.waits if wait.node.kind == "thread"]
    return able.index(me)


def _turn(deadlock: Deadlock, me: Node, look_after: float) -> float:
    """How many seconds from now: the victim acts at once; the next one if it then stays, and so on."""
    rank = _rank(deadlock, me)
    if rank == 0:
        return 0
    most = look_after * (1 + rank)
    return min(deadlock.waits[0].waiter.since + most - time.time(), most)


def _claim(what: str, deadlock: Deadlock) -> Claim:
    """The same for each that is in it, and never again: when each wait began is part of it."""
    waits = sorted(deadlock.waits, key=lambda wait: wait.node)
    key = "; ".join(f"{wait.node} {wait.primitive.id} {wait.waiter.since:.6f}" for wait in waits)
    # By the arena's id: its path may be spelt in several ways.
    return Claim(min(waits, key=lambda wait: wait.primitive.id).arena, what, key)


def _taken(claim: Claim, deadlock: Deadlock, me: Node) -> bool | None:
    """Whether it is this one's to act; None: that remains to be seen."""
    with claims.at_hand() as at_hand:
        if not at_hand:
            return None
        claims.keep(me.number, claim.key)
        taken = claims.take(claim, me.number)
    # Where nobody can claim anything only one must act, without having asked.
    return _rank(deadlock, me) == 0 if taken is None else taken


def _log(text: str) -> None:
    logging = sys.modules.get("logging")  # else nobody has a handler
    if logging is None:
        return
    logger = logging.getLogger("latchwork")
    # Without any handler logging prints to stderr, where the warning or the traceback goes as well.
    if logger.hasHandlers():
        logger.warning("%s", text)


def _warn(deadlock: Deadlock, claim: Claim, may_raise: bool) -> bool:
    """Tell; False if it could not be told here."""
    text = str(deadlock)
    try:
        warnings.warn(DeadlockWarning(text, deadlock), stacklevel=_level())
    except DeadlockWarning:
        if may_raise:
            _log(text)
            raise
        # An error, which this wait can't end by: another one's does.
        with claims.at_hand() as at_hand:
            if at_hand:
                claims.give_back(claim)
        return False
    _log(text)
    return True


def _level() -> int:
    """How far up the line is that waits: the first that is not ours."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
