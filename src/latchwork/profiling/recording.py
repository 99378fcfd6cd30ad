"""Turning recording on and off, in this process and those that it starts."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
import threading
from multiprocessing import process, util
from typing import Literal

from latchwork import _core, directory, primitives, program
from latchwork.errors import LatchworkError
from latchwork.profiling import tasks
from latchwork.profiling.journal import SUFFIX, changed_at

ENVIRONMENT = "LATCHWORK_PROFILE"
EVENTS_ENVIRONMENT = "LATCHWORK_PROFILE_EVENTS"
EVENTS = 1 << 18
TEMPORARY = "profile-"
_RUN = re.compile(r"-[0-9]+-[0-9a-f]{8}/?$")
_OFF = frozenset({"", "0", "false", "no", "off"})
_ON = frozenset({"1", "true", "yes", "on"})

_CLASSES = tuple(getattr(primitives, name) for name in primitives.__all__)
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")

_directory: str | None = None  # of the program's journals, while it is on
_root: int | None = None  # the process that tells at the end
_runs_begun: dict[str, bool] = {}  # by that process; whether each is temporary


def _events() -> int:
    text = os.environ.get(EVENTS_ENVIRONMENT, "")
    return min(max(int(text), 1), 1 << 26) if text.isdecimal() else EVENTS


def _new_directory(where: str | os.PathLike[str] | None) -> str:
    """One for this run of the program; None: a temporary one, in the directory of the arenas."""
    unique = f"{os.getpid()}-{secrets.token_hex(4)}"
    if where is None:
        remove_leftovers()
        program.arena()
        home = os.path.dirname(program.place_of(program.arena()).path)
        made = os.path.join(home, f"{TEMPORARY}{unique}")
    else:
        made = os.path.join(os.path.abspath(where), f"{program.script()}-{unique}")
    os.makedirs(made, mode=0o700)
    return made


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def _users(path: str) -> set[int]:
    """The process that made it, and those that have a journal in it."""
    names = [os.path.basename(path)[len(TEMPORARY) :]]
    with contextlib.suppress(OSError):
        names += os.listdir(path)
    pids = {name.partition("-")[0] for name in names}
    return {int(pid) for pid in pids if pid.isdecimal()}


def leftovers() -> list[str]:
    """Directories of programs that were killed before they could tell; newest last."""
    found = []
    for home in directory.candidates():
        with contextlib.suppress(OSError):
            for name in os.listdir(home):
                if name.startswith(TEMPORARY):
                    found.append(os.path.join(home, name))
    return sorted(found, key=changed_at)


def remove_leftovers() -> None:
    """Remove the temporary directories of programs that have ended."""
    for path in leftovers():
        users = _users(path)
        if users and not any(map(_runs, users)):
            shutil.rmtree(path, ignore_errors=True)


def _is_run(path: str) -> bool:
    """Whether ``_new_directory()`` has made it."""
    return os.path.isdir(path) and _RUN.search(path) is not None


def start(where: str | os.PathLike[str] | Literal[True] = True) -> str:
    """Record from now on; the directory of the journals, one a process.

    ``where``: a directory, in which each run of a program makes one of its own; or True: a temporary one,
    removed at the end. In a process that a recording program has started it is that program's. If it is
    on already, nothing is changed.

    Promised: what was recorded outlives a ``kill -9``, and the sums are exact. Not promised: all events
    for a trace (262,144 a process, or ``LATCHWORK_PROFILE_EVENTS``; what is dropped is counted and
    told), that a fork server which runs already records, and what ``latchwork.wait()`` waits for.
    multiprocessing has nothing like it.

    OSError if the directory can't be made; for a temporary one ``NoRoomError``,
    ``UnsafeDirectoryError``.
    """
    global _directory, _root
    if _directory is not None:
        return _directory
    if where is not True and program._is_child() and _is_run(os.fspath(where)):
        found = os.fspath(where)
    else:
        found = _new_directory(None if where is True else where)
        if _root != os.getpid():
            _runs_begun.clear()
        _runs_begun[found] = where is True
        _root = os.getpid()
    _directory = os.environ[ENVIRONMENT] = found
    tasks.install()
    _core.start_recording(_CLASSES, _PACKAGE)
    _at_exit()
    return found


def start_from_environment() -> None:
    """Do what ``LATCHWORK_PROFILE`` says: nothing, a directory, or ``1`` for a temporary one."""
    text = os.environ.get(ENVIRONMENT, "").strip()
    if text.lower() in _OFF:
        return
    inherited = os.path.basename(text).startswith(TEMPORARY)
    if program._is_child() and not os.path.isdir(text):
        return  # the program that began it has ended
    try:
        if program._is_child():
            start(text)
        else:
            # One that another program has inherited from is that one's, and goes with it.
            start(True if inherited or text.lower() in _ON else text)
    except (OSError, LatchworkError) as error:
        print(f"latchwork: nothing is recorded: {error}", file=sys.stderr)


def stop() -> None:
    """Record no more, in this process; others go on. What was recorded stays: in a directory that was
    given for ever, in a temporary one until the program ends. Nothing, if it is off."""
    global _directory
    if _directory is None:
        return
    _core.stop_recording(_CLASSES, True)
    tasks.remove()
    _directory = None
    if _root == os.getpid():
        os.environ.pop(ENVIRONMENT, None)


def where() -> str | None:
    """The directory of the journals, if it is on; None if it is off."""
    return _directory


# The C core calls these two, at the first event of a process and of a thread.


def open_journal() -> tuple[int, int, str, str] | None:
    """An empty file for this process, how many events it is for, and what the process is called."""
    if _directory is None:
        return None
    path = os.path.join(_directory, f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        print(f"latchwork: process {os.getpid()} is not recorded: {error}", file=sys.stderr)
        return None
    return fd, _events(), program.script(), process.current_process().name


def thread_name() -> str:
    """What this thread is called. One that threading does not know stays unknown to it."""
    known = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
    return str(known.name) if known is not None else ""


class _AtFork:
    """Something for multiprocessing's registry to hold a weak reference to."""


_at_fork = _AtFork()


def _at_exit(_: object = None) -> None:
    # After the children were joined, and before the arenas are left.
    if _directory is not None:
        util.Finalize(None, _finish, exitpriority=-900)


util.register_after_fork(_at_fork, _at_exit)


def _finish() -> None:
    """At the end of a process; the one that began the program tells what was recorded."""
    telling = _directory
    stop()
    if _root != os.getpid():
        return
    if telling is not None:
        from latchwork.profiling import table

        try:
            table.tell(telling, trace=not _runs_begun.get(telling, False))
        except (OSError, LatchworkError) as error:
            print(f"latchwork: what was recorded can't be told: {error}", file=sys.stderr)
    # Also those that were stopped before.
    for path, temporary in _runs_begun.items():
        if temporary:
            shutil.rmtree(path, ignore_errors=True)
    _runs_begun.clear()
