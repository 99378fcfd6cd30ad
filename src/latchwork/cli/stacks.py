"""The Python stacks of other processes, by py-spy if it is there: it neither stops nor changes them."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

PATIENCE = 5.0
GET = "its Python stack can't be had: `pip install py-spy`, which `latchwork explain` then uses"
Stack = tuple[str, ...]


def program() -> str | None:
    """Beside this Python, else where the shell would find it."""
    beside = os.path.join(os.path.dirname(sys.executable), "py-spy")
    return beside if os.access(beside, os.X_OK) else shutil.which("py-spy")


class Stacks:
    """Asks for each process once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[dict[int, Stack], str | None]] = {}

    def of(self, pid: int, thread: int) -> tuple[Stack, str | None]:
        """``file:line in function``, innermost first; and if there is none, why and what to do."""
        if pid not in self._known:
            self._known[pid] = dump(pid)
        threads, problem = self._known[pid]
        stack = threads.get(thread, ())
        if not stack and problem is None:
            problem = "that thread runs no Python"
        return stack, None if stack else problem


def dump(pid: int) -> tuple[dict[int, Stack], str | None]:
    """The stacks of all threads of a process, by the kernel's ids; and if there is none, why."""
    spy = program()
    if spy is None:
        return {}, GET
    try:
        done = subprocess.run(
            [spy, "dump", "--nonblocking", "--json", "--pid", str(pid)],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return {}, f"py-spy had no answer from pid {pid} after {PATIENCE:.0f} s"
    except OSError as error:
        return {}, f"py-spy can't be run: {error.strerror}"
    if done.returncode:
        return {}, _why(done.stderr.decode(errors="replace"))
    try:
        threads: list[dict[str, Any]] = json.loads(done.stdout)
        return {one["os_thread_id"]: _frames(one["frames"]) for one in threads}, None
    except (ValueError, KeyError, TypeError):
        return {}, "py-spy answered in a way that is not known here"


def _frames(frames: list[dict[str, Any]]) -> Stack:
    return tuple(f"{one['filename']}:{one['line']} in {one['name']}" for one in frames)


def _why(said: str) -> str:
    if "permission denied" in said.lower() or "not permitted" in said:
        return (
            "py-spy may not read that process: run `latchwork explain` as root, or allow it "
            "(`sysctl kernel.yama.ptrace_scope=0`; in a container --cap-add SYS_PTRACE)"
        )
    if "find python version" in said:
        return "it runs no Python"
    lines = [line for line in said.splitlines() if line.strip()]
    return f"py-spy: {lines[0].removeprefix('Error: ')}" if lines else "py-spy failed"
