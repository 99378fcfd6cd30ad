"""What can be seen of other processes."""

import os
from collections.abc import Iterator
from pathlib import Path

from latchwork.doctor.finding import Finding, fine, note, wrong

INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # the kernel's PROC_PID_INIT_INO
PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
CAP_SYS_PTRACE = 1 << 19


def visible() -> Iterator[Finding]:
    """Deaths that the kernel can't tell of are found by pid and start time, in /proc."""
    try:
        Path("/proc/self/stat").read_bytes()
        Path(f"/proc/{os.getpid()}/status").read_bytes()
    except OSError as error:
        yield wrong(
            "/proc",
            f"can't be read ({error.strerror}): some deaths are noticed late, or never",
            "mount -t proc proc /proc",
        )
        return
    yield fine("/proc", "processes can be seen")


def pid_namespace() -> Iterator[Finding]:
    """In another one, a pid means somebody else."""
    if os.stat("/proc/self/ns/pid").st_ino == INITIAL_PID_NAMESPACE:
        yield fine("pids", "those of the machine itself")
    else:
        yield note(
            "pids",
            "a namespace of its own, as in a container: who shares the directory of the arenas but not "
            "pids is known dead only by the kernel's mark",
            "give containers that share the directory the same pids: docker run --pid=container:…, "
            "Kubernetes shareProcessNamespace",
        )


def may_trace_all() -> bool:
    """Whether this process has CAP_SYS_PTRACE."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & CAP_SYS_PTRACE)
    return False


def stacks() -> Iterator[Finding]:
    """Whether the Python stacks of other processes can be read."""
    try:
        scope = int(PTRACE_SCOPE.read_text())
    except OSError:
        scope = 0
    if scope == 0 or (scope < 3 and may_trace_all()):
        yield fine("stacks", "those of this user's processes can be read")
        return
    do = "run `latchwork explain` as root" + (
        ", or sysctl kernel.yama.ptrace_scope=0" * (scope < 3)
    )
    if scope == 3:
        do = "restart without kernel.yama.ptrace_scope=3, which can't be taken back"
    says = f"ptrace_scope is {scope}: `latchwork explain` can't read those of processes it did not start"
    yield note("stacks", says, do)
