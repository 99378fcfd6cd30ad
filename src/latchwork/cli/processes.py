"""What the kernel says of a process: whether it is there, whose it is, whether it is stopped."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process that there is."""

    pid: int
    uid: int
    name: str
    """What the kernel calls it: at most 15 characters."""
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
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            head, _, tail = stat.read().rpartition(")")
    except OSError:
        return None
    return Process(pid, uid, head.partition("(")[2], tail.split()[0])
