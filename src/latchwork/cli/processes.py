"""What the kernel says of a process: whether it is there and goes on, whose it is, who started it."""

import os
from dataclasses import dataclass

from latchwork._stat import stat


@dataclass(frozen=True, slots=True)
class Process:
    """A process that there is."""

    pid: int
    uid: int
    name: str
    """What the kernel calls it: at most 15 characters."""
    parent: int
    state: str
    """``R`` runs, ``S`` and ``D`` sleeps, ``T`` and ``t`` stopped, ``Z`` and ``X`` dead."""

    @property
    def is_dead(self) -> bool:
        """A zombie is dead."""
        return self.state in "ZXx"

    @property
    def is_stopped(self) -> bool:
        """By a signal or a debugger."""
        return self.state in "Tt"


def process(pid: int) -> Process | None:
    """None: there is none, or it has just ended."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        name, (state, parent, *_) = stat(pid)
    except OSError:
        return None
    return Process(pid, uid, name, int(parent), state)


def child(pid: int) -> int | None:
    """The first that it started, of those that there still are."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return int(children.read().split()[0])
    except (OSError, IndexError):
        return None


def is_below(pid: int, ancestor: int) -> bool:
    """Whether it is that one, or was started by it, or by one that was, and so on."""
    while pid > 1 and pid != ancestor:
        there = process(pid)
        pid = 0 if there is None else there.parent
    return pid == ancestor
