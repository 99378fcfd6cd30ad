"""Threads of other processes, as the kernel shows them."""

import os

from latchwork.passing import passing_over

HELPER = b"latchwork-wait"  # the core's own threads, which hold and release nothing
DEAD = b"ZXx"
ASLEEP = b"S"
RUNS = b"R"


def _name_and_state(pid: int, thread: int) -> tuple[bytes, bytes]:
    with open(f"/proc/{pid}/task/{thread}/stat", "rb") as stat:
        head, _, tail = stat.read().rpartition(b")")
    return head.partition(b"(")[2], tail.split()[0]


def living(pid: int) -> frozenset[int]:
    """The kernel's ids of the threads of a process that could release something; none if it is dead."""
    found = set()
    with passing_over(OSError):
        for entry in os.listdir(f"/proc/{pid}/task"):
            with passing_over(OSError):  # it ended meanwhile
                name, state = _name_and_state(pid, int(entry))
                if name != HELPER and state not in DEAD:
                    found.add(int(entry))
    return frozenset(found)


def runs(pid: int, thread: int) -> bool:
    """Whether a thread runs now, or is about to."""
    with passing_over(OSError):
        return _name_and_state(pid, thread)[1] == RUNS
    return False


def asleep(pid: int, thread: int) -> bool:
    """Whether a thread sleeps now: neither runs, nor is ready to, nor is stopped, nor gone."""
    with passing_over(OSError):
        return _name_and_state(pid, thread)[1] == ASLEEP
    return False
