"""Threads of other processes, as the kernel shows them."""

import os

from latchwork._stat import stat, state_of
from latchwork.passing import passing_over

HELPER = "latchwork-wait"  # the core's own threads, which hold and release nothing
DEAD = "ZXx"
ASLEEP = "S"
RUNS = "R"


def living(pid: int) -> frozenset[int]:
    """The kernel's ids of the threads of a process that could release something; none if it is dead."""
    found = set()
    with passing_over(OSError):
        for entry in os.listdir(f"/proc/{pid}/task"):
            with passing_over(OSError):  # it ended meanwhile
                name, (state, *_) = stat(pid, int(entry))
                if name != HELPER and state not in DEAD:
                    found.add(int(entry))
    return frozenset(found)


def runs(pid: int, thread: int) -> bool:
    """Whether a thread runs now, or is about to."""
    with passing_over(OSError):
        return state_of(pid, thread) == RUNS
    return False


def asleep(pid: int, thread: int) -> bool:
    """Whether a thread sleeps now: neither runs, nor is ready to, nor is stopped, nor gone."""
    with passing_over(OSError):
        return state_of(pid, thread) == ASLEEP
    return False
