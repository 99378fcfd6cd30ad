"""The directory of the arenas: which one, on what, with how much room."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from latchwork import _core, directory
from latchwork.doctor.finding import Finding, fine, note, size, wrong
from latchwork.errors import NoRoomError, UnsafeDirectoryError

TOPIC = "directory"
MEMORY = {"tmpfs", "ramfs", "hugetlbfs"}
# Other machines may have the same file there, but not the same memory.
NETWORK = {
    *(
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "beegfs",
        "afs",
    ),
    *("9p", "virtiofs", "ocfs2", "gfs2", "sshfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs"),
}
DOCKER = 64 << 20  # the size of a container's /dev/shm, unless asked for more
LITTLE = 8 << 20
PRIMITIVE = 64


def try_out(path: str) -> str | None:
    """Make an arena there and take it away again; why it can't be done."""
    try:
        fd, unfinished = directory.begin_in(path)
    except UnsafeDirectoryError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror}"
    try:
        _core.format_arena(fd, secrets.token_bytes(16), False, 0)
    except NoRoomError:
        return f"{path}: no space left for an arena"
    except OSError as error:
        return f"{path}: {error.strerror}"
    finally:
        directory.remove(unfinished, fd)
        os.close(fd)
    return None


def chosen() -> tuple[str | None, list[str]]:
    """The directory where new arenas are made, and why not in those that come before it."""
    reasons: list[str] = []
    for path in directory.candidates():
        reason = try_out(path)
        if reason is None:
            return path, reasons
        reasons.append(reason)
        if _is_unsafe(path):
            break  # nothing else is tried then: somebody might want just that
    return None, reasons


def _is_unsafe(path: str) -> bool:
    try:
        directory.check(path)
    except UnsafeDirectoryError:
        return True
    except OSError:
        return False
    return False


def candidates() -> Iterator[Finding]:
    """Which is used, and from where that comes."""
    path, reasons = chosen()
    given = bool(os.environ.get(directory.ENVIRONMENT))
    if path is None:
        do = (
            f"set {directory.ENVIRONMENT} to a directory of yours, best on a tmpfs, with free space"
        )
        yield wrong(TOPIC, f"none can be used: {'; '.join(reasons)}", do)
        return
    whence = f"from {directory.ENVIRONMENT}" if given else "the best of the usual places"
    if reasons:
        yield note(
            TOPIC,
            f"{path}, as the better ones can't be used: {'; '.join(reasons)}",
            "processes that can use a better one won't meet these by name: set "
            f"{directory.ENVIRONMENT} to the same directory for all",
        )
    else:
        yield fine(TOPIC, f"{path} ({whence}), and an arena can be made there")
    for other in directory.candidates():
        if other != path and _holds_arenas(other):
            yield note(
                TOPIC,
                f"there are arenas in {other}, too: their processes do not meet by name those of {path}",
                f"set {directory.ENVIRONMENT} to the same directory for all",
            )


def _holds_arenas(path: str) -> bool:
    try:
        names = os.listdir(path)
    except OSError:
        return False
    return any(name.startswith((directory.PROGRAM, directory.NAMESPACE)) for name in names)


def _existing(path: str) -> str:
    """The path, or what it would be made in."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.path.realpath(path)


def filesystem_of(path: str) -> tuple[str, str]:
    """The type of the file system that a path is on, and where that is mounted."""
    best = ("", "unknown")
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields = line.split()
        point = fields[4].replace("\\040", " ")
        kind = fields[fields.index("-") + 1]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of several mounted on one point, the last one hides the others.
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1], best[0]


def filesystem() -> Iterator[Finding]:
    """Whether it is memory, and this machine's only."""
    path = chosen()[0] or directory.candidates()[0]
    kind, point = filesystem_of(_existing(path))
    if kind in MEMORY:
        yield fine("file system", f"{kind}, mounted on {point}")
    elif kind in NETWORK:
        yield wrong(
            "file system",
            f"{path} is on {kind} ({point}): other machines may find the files there, but share no "
            "memory with this one",
            f"set {directory.ENVIRONMENT} to a directory on a tmpfs, such as below /dev/shm",
        )
    else:
        yield note(
            "file system",
            f"{path} is on {kind} ({point}), which is no memory: the kernel writes the arenas out to "
            "it now and then, and a restart leaves them there",
            f"set {directory.ENVIRONMENT} to a directory on a tmpfs, such as below /dev/shm",
        )


def space() -> Iterator[Finding]:
    """How much more fits in."""
    path = chosen()[0]
    if path is None:
        return
    use = os.statvfs(_existing(path))
    free, total = use.f_bavail * use.f_frsize, use.f_blocks * use.f_frsize
    if total == 0:  # a ramfs has no limit
        yield fine("space", "no limit")
        return
    says = f"{size(free)} of {size(total)} free: room for {free // PRIMITIVE:,} more primitives"
    if free < LITTLE:
        do = "remove what is not needed there (`latchwork clean`), or enlarge it"
        yield note("space", says, f"{do}: mount -o remount,size=1G")
    elif total <= DOCKER:
        do = "docker run --shm-size=1g (Kubernetes: an emptyDir of medium Memory on /dev/shm)"
        small = "as small as Docker makes it; multiprocessing and others share it"
        yield note("space", f"{says}, {small}", do)
    else:
        yield fine("space", says)
