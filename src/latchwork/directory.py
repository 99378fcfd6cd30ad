"""Where arenas are kept: a directory of this user's, the files in it, and who may remove them.

Every process that has an arena open holds a shared ``flock`` on it, which also goes from a parent to
the children it is starting. A file may be removed by whoever gets the exclusive one *and* finds no
living member in its table (a daemon may have closed all its descriptors).
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
import tempfile
from collections.abc import Iterator

from latchwork import _core
from latchwork.errors import (
    CorruptError,
    LatchworkError,
    NoRoomError,
    UnsafeDirectoryError,
    VersionError,
)
from latchwork.passing import passing_over

ENVIRONMENT = "LATCHWORK_DIR"
PROGRAM = "program-"
NAMESPACE = "namespace-"
UNFINISHED = "new-"
_LABEL_MAX = 1000

# Why a directory can't be used, so that the next one is tried.
_UNUSABLE = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EOPNOTSUPP,
}


def candidates() -> list[str]:
    """The directories to try, best first."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return [os.path.abspath(chosen)]
    places = ["/dev/shm", os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/var/tmp"]
    own = f"latchwork-{os.geteuid()}"
    return list(dict.fromkeys(os.path.join(place, own) for place in places if place))


def check(path: str) -> None:
    """Refuse a directory whose files somebody else could have put there."""
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeDirectoryError(f"{path} is not a directory: remove it or set {ENVIRONMENT}")
    if found.st_uid != os.geteuid():
        raise UnsafeDirectoryError(
            f"{path} belongs to another user ({found.st_uid}): set {ENVIRONMENT} to one of yours"
        )
    if found.st_mode & 0o022:
        raise UnsafeDirectoryError(
            f"others may write to {path}: chmod 700 it or set {ENVIRONMENT} to another directory"
        )


def _usable() -> Iterator[str]:
    """The directories that exist and are safe."""
    for path in candidates():
        try:
            check(path)
        except FileNotFoundError:
            continue
        yield path


def open_checked(path: str) -> int:
    """Open what may be an arena, if it is certainly this user's."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CorruptError(f"{path} is a link: remove it") from None
        if error.errno in (errno.EISDIR, errno.ENXIO):
            raise CorruptError(f"{path} is not a regular file: remove it") from None
        raise
    found = os.fstat(fd)
    problem = None
    if not stat.S_ISREG(found.st_mode):
        problem = "is not a regular file"
    elif found.st_uid != os.geteuid():
        problem = "belongs to another user"
    elif found.st_mode & 0o077:
        problem = "may be read or written by others"
    elif found.st_nlink > 2:  # two for the moment in which it gets its name
        problem = "has more than one name"
    if problem:
        os.close(fd)
        raise CorruptError(f"{path} {problem}: remove it or set {ENVIRONMENT}")
    return fd


def still_named(path: str, fd: int) -> bool:
    """Whether that path leads to this open file."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


def map_file(path: str, fd: int) -> "_core.Arena":
    """Map an open arena; the errors say which file it is.

    The descriptor is the core's from here on, whatever happens: were it closed here, after a signal
    handler's exception, it might be somebody else's by then.
    """
    try:
        return _core.Arena(fd)
    except (CorruptError, VersionError) as error:
        raise type(error)(f"{path}: {error}") from None


def is_older(fd: int) -> bool:
    """Whether it is an arena of an earlier version."""
    magic, version = struct.unpack("<QI", os.pread(fd, 12, 0).ljust(12, b"\0"))
    return bool(magic == _core.MAGIC and 0 < version < _core.LAYOUT_VERSION)


def _outdated(fd: int) -> bool:
    """Whether it is an arena of an earlier version that nobody uses any more."""
    if not is_older(fd):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def open_path(path: str) -> "_core.Arena | None":
    """Open an existing arena, with the shared lock on it; None if there is none."""
    while True:
        try:
            fd = open_checked(path)
        except FileNotFoundError:
            return None
        fcntl.flock(fd, fcntl.LOCK_SH)
        if still_named(path, fd):
            if not _outdated(fd):
                return map_file(path, fd)
            os.unlink(path)
        os.close(fd)


def find(name: str) -> "tuple[str, _core.Arena] | None":
    """The arena of that file name, in whichever directory it is."""
    for directory in _usable():
        path = os.path.join(directory, name)
        arena = open_path(path)
        if arena is not None:
            return path, arena
    return None


def begin_in(directory: str) -> tuple[int, str]:
    """An empty file in it, with the shared lock on it, so that it is left alone from now on.

    Before that, somebody who cleans up may take it away, or the directory while it was empty: then anew.
    To go on to the next directory instead would make two arenas of one name.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    for left in reversed(range(100)):
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)
            check(directory)
            unfinished = os.path.join(directory, f"{UNFINISHED}{os.getpid()}-{os.urandom(8).hex()}")
            fd = os.open(unfinished, flags, 0o600)
        except FileNotFoundError:
            if left:
                continue
            raise
        fcntl.flock(fd, fcntl.LOCK_SH)
        if still_named(unfinished, fd):
            return fd, unfinished
        os.close(fd)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), directory)


def _create_in(
    directory: str, name: str, persistent: bool, root: int, label: str
) -> "tuple[str, _core.Arena] | None":
    """Make it, whole before it gets its name; None if somebody else was faster."""
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    path = os.path.join(directory, name)
    fd, unfinished = begin_in(directory)
    try:
        os.fchmod(fd, 0o600)
        _core.format_arena(
            fd, os.urandom(16), persistent, root, label.encode("utf-8", "replace")[:_LABEL_MAX]
        )
        os.link(unfinished, path)
    except FileExistsError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
    return path, map_file(path, fd)


def find_or_create(
    name: str, *, persistent: bool = False, root: int = 0, label: str = ""
) -> "tuple[str, _core.Arena, bool]":
    """Open the arena of that file name or make it; whether it was made. ``label``: for people."""
    reasons: list[str] = []
    while True:
        found = find(name)
        if found:
            return (*found, False)
        for directory in candidates():
            try:
                made = _create_in(directory, name, persistent, root, label)
            except NoRoomError:
                reasons.append(f"{directory}: no space left")
                continue
            except UnsafeDirectoryError:
                raise
            except OSError as error:
                if error.errno not in _UNUSABLE:
                    raise
                reasons.append(f"{directory}: {error.strerror}")
                continue
            if made is not None:
                return (*made, True)
            break  # somebody else made it meanwhile
        else:
            raise NoRoomError(
                f"no directory for shared memory can be used ({'; '.join(reasons)}): set "
                f"{ENVIRONMENT} to a directory of yours with some free space"
            )


def remove(path: str, fd: int) -> None:
    """Take an arena away, and the directory if it was the last one in there."""
    if still_named(path, fd):
        os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def why_needed(arena: "_core.Arena") -> str | None:
    """Why its file must stay, if it must."""
    if arena.others():
        return "in use"
    if arena.persistent and (count := arena.stateful()):
        return f"keeps the state of {count} named primitive{'s' if count > 1 else ''}"
    return None


def leave(path: str, arena: "_core.Arena") -> None:
    """Remove the file if this process is the last one that uses it."""
    try:
        if why_needed(arena):
            return
        fcntl.flock(arena.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError):
            fcntl.flock(arena.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return
    # Under the exclusive lock nobody new can have come in.
    if why_needed(arena):
        fcntl.flock(arena.fd, fcntl.LOCK_SH)
        return
    with contextlib.suppress(OSError):
        remove(path, arena.fd)


def arenas(place: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """The files of all arenas of this user, or of those in one directory."""
    for folder in [os.path.abspath(place)] if place is not None else candidates():
        names: list[str] = []
        with passing_over(OSError, UnsafeDirectoryError):
            check(folder)
            names = sorted(os.listdir(folder))
        for name in names:
            if name.startswith((PROGRAM, NAMESPACE)):
                yield os.path.join(folder, name)


@contextlib.contextmanager
def looked_into(path: str) -> "Iterator[_core.Arena | None]":
    """The arena of that file, without its lock, for eyes only; None if it can't be had."""
    arena = None
    with passing_over(OSError, LatchworkError):
        arena = map_file(path, open_checked(path))
    try:
        yield arena
    finally:
        if arena is not None:
            arena.close()
