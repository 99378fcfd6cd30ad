"""Limits of this process, which those that it starts inherit."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from latchwork.doctor.finding import Finding, fine, note, size, wrong

FEW_FILES = 64
TOO_FEW_FILES = 8
ADDRESS_SPACE = 2 << 30  # two arenas, and Python
ARENA = 4 << 20  # the smallest: mostly holes
FEW_TASKS = 64

CGROUPS = Path("/sys/fs/cgroup")


def _limit(which: int) -> int | None:
    soft = resource.getrlimit(which)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def open_files() -> Iterator[Finding]:
    """An arena takes a file descriptor, an event loop that awaits another one."""
    limit = _limit(resource.RLIMIT_NOFILE)
    if limit is None:
        yield fine("open files", "no limit")
        return
    free = limit - len(os.listdir("/proc/self/fd"))
    says = f"{free:,} of {limit:,} free; each arena needs one"
    do = "ulimit -n 1024 (systemd: LimitNOFILE=)"
    if free < TOO_FEW_FILES:
        yield wrong("open files", says, do)
    elif free < FEW_FILES:
        yield note("open files", says, do)
    else:
        yield fine("open files", says)


def address_space() -> Iterator[Finding]:
    """An arena reserves a gigabyte of addresses (not of memory), so that nothing in it ever moves."""
    limit = _limit(resource.RLIMIT_AS)
    if limit is None:
        yield fine("address space", "no limit")
    elif limit < ADDRESS_SPACE:
        yield note(
            "address space",
            f"{size(limit)}: for arenas of 16 million primitives {size(ADDRESS_SPACE)} would be needed; "
            "they hold fewer, for all processes that share one with this one",
            "ulimit -v unlimited (systemd: LimitAS=)",
        )
    else:
        yield fine("address space", size(limit))


def file_size() -> Iterator[Finding]:
    """An arena is a file."""
    limit = _limit(resource.RLIMIT_FSIZE)
    if limit is None:
        yield fine("file size", "no limit")
    elif limit < ARENA:
        do = "ulimit -f unlimited (systemd: LimitFSIZE=)"
        yield wrong("file size", f"{size(limit)}: no arena fits in that", do)
    else:
        yield fine("file size", size(limit))


def cgroup_tasks(of: str = "/proc/self/cgroup", root: Path = CGROUPS) -> tuple[int, int] | None:
    """Tasks (processes and threads) that still fit into the tightest cgroup, and its limit."""
    tightest = None
    for line in Path(of).read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "pids"):
            continue
        top = root / controllers
        place = top / path.lstrip("/")
        # In a container, what is outside of it has no name here.
        for group in (place, *place.parents):
            if not group.is_relative_to(top):
                break
            try:
                limit = (group / "pids.max").read_text().strip()
                current = int((group / "pids.current").read_text())
            except OSError:
                continue
            if limit != "max" and (tightest is None or int(limit) - current < tightest[0]):
                tightest = int(limit) - current, int(limit)
    return tightest


def tasks() -> Iterator[Finding]:
    """Processes, and threads, as those that wait for many primitives at once."""
    found = cgroup_tasks()
    user = _limit(resource.RLIMIT_NPROC)
    if found is None:
        says = "no limit by a cgroup"
        yield fine("processes", says if user is None else f"{says}, {user:,} for this user")
        return
    free, limit = found
    says = f"{free:,} more processes and threads of {limit:,} in this cgroup"
    if free < FEW_TASKS:
        do = "docker run --pids-limit=…, Kubernetes podPidsLimit, systemd TasksMax="
        yield note("processes", says, do)
    else:
        yield fine("processes", says)
