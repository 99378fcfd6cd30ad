"""What a thread does that has waited for long: look whether it can ever go on, and tell or raise."""

import logging
import os
import sys
import threading
import time
import warnings
from enum import StrEnum
from pathlib import Path

from latchwork.deadlocks.claims import Claim, claims
from latchwork.deadlocks.confirm import Facts, confirmed
from latchwork.errors import DeadlockError, DeadlockWarning
from latchwork.inspect.deadlock import Deadlock
from latchwork.inspect.graph import deadlock_of
from latchwork.inspect.waits import Node

logger = logging.getLogger("latchwork")
PACKAGE = str(Path(__file__).parent.parent) + os.sep


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


def look(facts: Facts, mode: Mode, look_after: float, *, may_raise: bool = True) -> bool:
    """See whether this thread, which waits at a primitive, is in a deadlock; tell of it, or raise.

    ``facts`` reads all arenas that may matter; it is called twice or more. ``mode`` is the setting of
    the primitive at which this thread waits, or else of the program. ``may_raise`` is False where a wait
    can't be given up: a Condition's to get its lock back. To be called each ``look_after`` seconds of a
    wait for as long as it returns True: there may be a deadlock, which is not certain yet, or somebody
    else's to tell. Raises DeadlockError if this thread is to give up; never waits for anybody.
    """
    if mode is Mode.IGNORE:
        return False
    me = Node(os.getpid(), "thread", threading.get_native_id())
    if deadlock_of(me, facts()) is None:
        return False
    deadlock = confirmed(me, facts)
    if deadlock is None or not _is_my_turn(deadlock, me, look_after):
        return True
    if not may_raise or not mode.raises(deadlock):
        if _claimed("told", deadlock, me):
            _warn(deadlock)
    elif _claimed("broken", deadlock, me):
        text = str(deadlock)
        _log(text)
        raise DeadlockError(text, deadlock)
    return True


def _rank(deadlock: Deadlock, me: Node) -> int:
    """0 for the victim; the others follow in the order in which they would be."""
    able = [wait.node for wait in deadlock.waits if wait.node.kind == "thread"]
    return able.index(me)


def _is_my_turn(deadlock: Deadlock, me: Node, look_after: float) -> bool:
    """The victim acts at once; the next one only if the deadlock then stays, and so on."""
    rank = _rank(deadlock, me)
    closed = deadlock.waits[0].waiter.since
    return rank == 0 or time.time() - closed >= look_after * (1 + rank)


def _key(deadlock: Deadlock) -> str:
    """The same in each process that is in it, and never again: when each wait began is part of it."""
    waits = sorted(deadlock.waits, key=lambda wait: wait.node)
    return "; ".join(
        f"{wait.node} {wait.arena} {wait.primitive.id} {wait.waiter.since:.6f}" for wait in waits
    )


def _claimed(what: str, deadlock: Deadlock, me: Node) -> bool:
    path, key = min(wait.arena for wait in deadlock.waits), _key(deadlock)
    claims.keep(me.number, key)
    taken = claims.take(Claim(path, f"{what} {key}"), me.number)
    # Where nobody can claim anything only one must act, without having asked.
    return _rank(deadlock, me) == 0 if taken is None else taken


def _log(text: str) -> None:
    # Without any handler logging prints to stderr, where the warning or the traceback goes as well.
    if logger.hasHandlers():
        logger.warning("%s", text)


def _warn(deadlock: Deadlock) -> None:
    text = str(deadlock)
    _log(text)
    warnings.warn(DeadlockWarning(text, deadlock), stacklevel=_level())


def _level() -> int:
    """How far up the line is that waits: the first that is not ours."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
