"""Minding a command that runs: each signal reaches it once, and this process stops and ends as it does.

The command is in the same process group, as a shell's pipelines and its ``fg`` want it. So what a
terminal sends has reached it already, and only what was sent to this process alone is passed on. The
kernel says who sent it: a terminal's come from the kernel itself.
"""

import contextlib
import os
import resource
import signal
from typing import NoReturn

from latchwork._stat import state_of

_KERNEL = 0x80  # SI_KERNEL: asm-generic/siginfo.h, the same on all that Latchwork runs on
_STOPS = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# What the terminal driver sends, to the whole group.
_TERMINAL = {signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGHUP, *_STOPS}


def block() -> set[signal.Signals]:
    """From now on signals wait for ``mind``; the mask as it was."""
    # Ignored by whoever started this one, it would make all children vanish without a status.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return {number for number in before if isinstance(number, signal.Signals)}


def mind(pid: int) -> int:
    """Wait for the command's end, passing signals on; how it ended, as ``waitpid`` has it."""
    stopped = False
    asked: int | None = None  # by which signal this process was asked to stop
    while True:
        stopped, ended = _look(pid, stopped)
        if ended is not None:
            return ended
        # Only both together: a command that somebody stops and continues by itself must not leave this
        # process behind, stopped, with what it holds; and one that ignores Ctrl-Z goes on.
        if stopped and asked is not None:
            _stop(asked)
            asked = None
            continue
        info = signal.sigwaitinfo(signal.valid_signals())
        if info.si_signo in _STOPS:
            asked = info.si_signo
        elif info.si_signo == signal.SIGCONT:
            asked = None
        if info.si_signo != signal.SIGCHLD and _is_for(pid, info):
            _send(pid, info.si_signo)


def end_as(status: int) -> NoReturn:
    """Die by the signal that the command died by, as it would have died without this process."""
    end_by(os.WTERMSIG(status))


def end_by(number: int) -> NoReturn:
    """Die by a signal."""
    # One dump of the memory, the command's, is enough.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os._exit(128 + number)


def _look(pid: int, stopped: bool) -> tuple[bool, int | None]:
    """Whether it is stopped, and how it ended, if it has."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if found == 0:
            return stopped, None
        if os.WIFSTOPPED(status):
            stopped = True
        elif os.WIFCONTINUED(status):
            stopped = False
        else:
            return False, status


def _stop(number: int) -> None:
    """Until somebody says SIGCONT, which is the next signal to come.

    Where no shell could say it (an orphaned group) the kernel lets nobody be stopped by these: so not by
    SIGSTOP. (A second Ctrl-Z in the instant before the signals are blocked again stops it at once.)
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})


def _is_for(pid: int, info: signal.struct_siginfo) -> bool:
    number = info.si_signo
    if number == signal.SIGCONT:
        return _is_stopped(pid)
    if info.si_code != _KERNEL:
        return bool(info.si_pid != pid)  # not its own: `kill 0` in a script
    # When a terminal goes, the leader of its session alone is told.
    if number == signal.SIGHUP:
        return os.getsid(0) == os.getpid()
    return number not in _TERMINAL


def _is_stopped(pid: int) -> bool:
    """Whether a SIGCONT that came here did not come there: a shell's ``fg`` sends it to both."""
    # Whoever is in the middle of sending it to the group has done so when this returns: a change of
    # groups and a signal to a group exclude each other in the kernel.
    with contextlib.suppress(OSError):
        os.setpgid(0, os.getpgrp())
    try:
        return state_of(pid) == "T"
    except OSError:
        return True


def _send(pid: int, number: int) -> None:
    # It may have become another user's (sudo): then it can only be told by the terminal.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
