"""What there is to see of processes that hang: every stack, and what each thread asked of the kernel."""

import contextlib
import ctypes
import faulthandler
import os
import signal
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
_stacks = None  # kept open: faulthandler writes to its descriptor


def prepare(directory: str) -> None:
    """In each process: show the stacks on SIGUSR1 and in a crash, and outlive no parent."""
    global _stacks
    _stacks = open(_file_of(directory, os.getpid()), "w")  # noqa: SIM115
    faulthandler.enable(_stacks)
    faulthandler.register(signal.SIGUSR1, _stacks, all_threads=True)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _file_of(directory: str, pid: int) -> Path:
    return Path(directory) / f"{pid}.stacks"


def threads(pid: int) -> list[str]:
    """Of each thread: its name, its state, and the system call that it is in."""
    found = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*"), key=lambda task: int(task.name)):
        with contextlib.suppress(OSError):
            comm, stat, syscall, place = (
                (task / name).read_text().strip() for name in ("comm", "stat", "syscall", "wchan")
            )
            state = stat.rpartition(")")[2].split()[0]
            found.append(f"  {task.name} {comm} {state} in {place}: {syscall}")
    return found


def crash(directory: str, pid: int) -> str:
    """What a process that has ended had written."""
    with contextlib.suppress(OSError):
        return _file_of(directory, pid).read_text()
    return ""


def of(directory: str, pid: int) -> str:
    """All that can be seen of a process that lives."""
    seen = threads(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGUSR1)
    end = time.monotonic() + 2
    while time.monotonic() < end and not crash(directory, pid).endswith("\n"):
        time.sleep(0.01)
    return "\n".join([f"--- process {pid}", *seen, crash(directory, pid)])
