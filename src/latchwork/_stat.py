"""What the kernel says of a process, or of a thread of it, in a line: proc(5), ``/proc/PID/stat``."""

STATE, PARENT = 0, 1


def stat(pid: int, thread: int | None = None) -> tuple[str, list[str]]:
    """Its name (anything), and the fields behind that, the state first. OSError: there is none."""
    place = f"/proc/{pid}/stat" if thread is None else f"/proc/{pid}/task/{thread}/stat"
    with open(place, "rb") as file:
        head, _, tail = file.read().rpartition(b")")
    return head.partition(b"(")[2].decode("utf-8", "replace"), tail.decode("ascii").split()


def parent_of(pid: int) -> int:
    """The pid of the process that started it. OSError: there is none."""
    return int(stat(pid)[1][PARENT])


def state_of(pid: int, thread: int | None = None) -> str:
    """``R`` runs, ``S``, ``D`` sleep, ``T``, ``t`` are stopped, ``Z``, ``X`` dead. OSError: none."""
    return stat(pid, thread)[1][STATE]
