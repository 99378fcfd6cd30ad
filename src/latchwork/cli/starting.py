"""Starting a command under a lock: it begins when its process is the heir of what is held, not before.

What a process holds is free when it dies. Were this one killed (``kill -9``) while the command runs,
the next holder would begin beside it. So the command's process is named as the heir first (lw_heir.h),
and waits for that: whenever this one is killed, either the command has not begun and never will, or
what is held stays held until the command has ended.
"""

import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from latchwork import program
from latchwork.cli.holding import Holding

ABANDONED = "LATCHWORK_ABANDONED"

# What Python ignores and other programs expect to kill them, as subprocess has it.
_PYTHONS = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True, slots=True)
class Started:
    """A command that runs, or why it does not."""

    pid: int
    error: OSError | None
    kept: int | None
    """The descriptor by which whoever inherits it goes on holding, with ``keep``."""


def start(
    command: Sequence[str], held: Holding, *, keep: bool, mask: set[signal.Signals]
) -> Started:
    """Start it, with that signal mask, and name it as the heir of what is held."""
    kept = _open_again(held) if keep else None
    go_read, go_write = os.pipe()
    failed_read, failed_write = os.pipe()
    environment = _environment(held)
    pid = os.fork()
    if pid == 0:
        os.close(go_write)
        _become(command, environment, go_read, failed_write, kept, mask)
    os.close(go_read)
    os.close(failed_write)
    try:
        if held.arena.bequeath(pid):
            if kept is not None:
                held.arena.bequeath_by_file(kept)
            with contextlib.suppress(BrokenPipeError):
                os.write(go_write, b"!")
        elif not _has_ended(pid):
            # Without an heir it must not begin; one that has been killed this early needs none.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise OSError(errno.EAGAIN, "the system does not tell of the command's process")
        os.close(go_write)
        told = os.read(failed_read, 16)
    finally:
        os.close(failed_read)
    error = OSError(int(told), os.strerror(int(told)), command[0]) if told else None
    return Started(pid, error, kept)


def _open_again(held: Holding) -> int:
    """The arena's file once more: by itself, as its path may be another one's by now."""
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{held.arena.fd}", flags)
    except FileNotFoundError:  # no /proc
        return os.open(held.place.path, flags)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _environment(held: Holding) -> dict[str, str]:
    environment = os.environ.copy()
    environment.pop(ABANDONED, None)
    if held.abandoned:
        environment[ABANDONED] = "1"
    # It is no part of this program, which announced itself when it began.
    if environment.get(program.ENVIRONMENT, "").endswith(f":{os.getpid()}"):
        del environment[program.ENVIRONMENT]
    return environment


def _become(
    command: Sequence[str],
    environment: dict[str, str],
    go: int,
    failed: int,
    kept: int | None,
    mask: set[signal.Signals],
) -> NoReturn:
    """In the child. Nothing may leave here: the parent's code must not run twice."""
    try:
        if not os.read(go, 1):
            os._exit(1)  # the parent is gone, and with it what it held
        if kept is not None:
            os.set_inheritable(kept, True)
        for number in _PYTHONS:
            signal.signal(number, signal.SIG_DFL)
        # Python's handler of Ctrl-C would else be called between the next line and the exec.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _exec(command, environment)
    except OSError as error:
        os.write(failed, str(error.errno).encode())
    finally:
        os._exit(1)


def _exec(command: Sequence[str], environment: dict[str, str]) -> None:
    try:
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        path = shutil.which(command[0], path=environment.get("PATH"))
        if error.errno != errno.ENOEXEC or path is None:
            raise
        # A script without `#!`: as execvp(3), and so flock(1) and env(1), have it.
        os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], environment)
