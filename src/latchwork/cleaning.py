"""What killed programs left in the directories of the arenas: removed, or left, and why.

A file goes only if it is certainly an arena that nobody uses: see `latchwork.directory`.
"""

import fcntl
import os
from typing import NamedTuple

from latchwork import directory
from latchwork.errors import LatchworkError, VersionError


class Found(NamedTuple):
    """A file in a directory of arenas, and what became of it."""

    path: str
    why: str
    removed: bool = False
    """In a dry run: that it would be."""
    in_use: bool = False
    is_trouble: bool = False
    """Nobody can use it, and somebody has to do something about it."""
    size: int = 0
    """The memory that it takes up."""


def clean(dry_run: bool = False, place: str | None = None) -> list[Found]:
    """Remove what killed programs left behind, in that directory or in all; what was found."""
    found = []
    for path in [place] if place else directory.candidates():
        try:
            directory.check(path)
            names = sorted(os.listdir(path))
        except OSError:
            continue
        for name in names:
            one = _look(os.path.join(path, name), name, dry_run)
            if one is not None:
                found.append(one)
    return found


def users(path: str) -> list[int]:
    """The pids of the living members of an arena; none of what can't be read."""
    try:
        arena = directory.map_file(path, directory.open_checked(path))
    except (OSError, LatchworkError):
        return []
    try:
        return arena.members()
    finally:
        arena.close()


def _look(path: str, name: str, dry_run: bool) -> Found | None:
    if not name.startswith((directory.PROGRAM, directory.NAMESPACE, directory.UNFINISHED)):
        return Found(path, "no file of Latchwork's")
    try:
        fd = directory.open_checked(path)
    except FileNotFoundError:
        return None
    except LatchworkError as error:
        return Found(path, _without(path, error), is_trouble=True)
    except OSError as error:
        return Found(path, f"can't be opened: {error.strerror}", is_trouble=True)
    try:
        size = os.fstat(fd).st_blocks * 512
        return _judge(path, name, fd, size, dry_run)
    finally:
        os.close(fd)


def _judge(path: str, name: str, fd: int, size: int, dry_run: bool) -> Found | None:
    """Whether it may go, under the exclusive lock, so that nobody new can come in meanwhile."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return Found(path, "in use", in_use=True, size=size)
    if not directory.still_named(path, fd):
        return None
    if name.startswith(directory.UNFINISHED):
        why = "its maker died before it was whole"
    else:
        try:
            arena = directory.map_file(path, os.dup(fd))
        except VersionError as error:
            if not name.startswith(directory.PROGRAM):
                return _of_another_version(path, fd, size, error)
            why = "of another version of Latchwork, and nobody uses it"
        except (OSError, LatchworkError) as error:
            return Found(path, _without(path, error), is_trouble=True, size=size)
        else:
            try:
                kept = directory.why_needed(arena)
            finally:
                arena.close()
            if kept is not None:
                return Found(path, kept, in_use=True, size=size)
            why = "nobody uses it any more"
    if not dry_run:
        try:
            directory.remove(path, fd)
        except OSError as error:
            return Found(path, f"can't be removed: {error.strerror}", is_trouble=True, size=size)
    return Found(path, why, removed=True, size=size)


def _of_another_version(path: str, fd: int, size: int, error: VersionError) -> Found:
    """A namespace: what its names say is not thrown away unasked."""
    if directory.is_older(fd):
        why = "of an earlier version; nobody uses it: whoever asks for this namespace makes it anew"
        return Found(path, why, size=size)
    return Found(path, _without(path, error), is_trouble=True, size=size)


def _without(path: str, error: Exception) -> str:
    """What it says, without the path that it begins with."""
    return str(error).removeprefix(path).removeprefix(":").strip()
