"""Looking at arenas: all of this user's, one namespace's, this program's own."""

import os
from collections.abc import Iterator

from latchwork import directory, program
from latchwork.inspect import reading
from latchwork.inspect.model import Statistics, View
from latchwork.primitives._primitive import DEFAULT_NAMESPACE, check_name


def views(
    namespace: str | None = None, *, place: str | os.PathLike[str] | None = None
) -> list[View]:
    """What there is in all arenas of this user: each namespace's, and each running program's.

    ``namespace``: only in that one's. ``place``: a directory of arenas other than those that are
    looked through always (``LATCHWORK_DIR``, or else ``/dev/shm/latchwork-UID`` and so on).

    Promised: nobody is stopped, held up, or changed in any way, and this process joins nothing. Each
    primitive is told as it was at one moment, with owners that fit its state; a process that has died is
    not among them. Not promised: that two primitives are told of the same moment; that those of
    processes with another ``LATCHWORK_DIR`` are found; more than 32,768 waiters an arena; which thread
    waits in another pid namespace. Files that are no arenas, or of another version, are left out:
    ``latchwork doctor`` tells of them.

    multiprocessing has nothing like it. InvalidNameError for a namespace that can't be one.
    """
    if namespace is not None:
        check_name(namespace, "namespace")
    return list(_views(namespace, place))


def _views(namespace: str | None, place: str | os.PathLike[str] | None) -> Iterator[View]:
    wanted = None if namespace is None else program.namespace_file(namespace)
    for path in directory.arenas(place):
        if wanted is not None and os.path.basename(path) != wanted:
            continue
        seen = reading.look(path)
        if seen is not None and (seen.namespace is not None or seen.members):
            yield seen


def view() -> View:
    """What there is in this program's own arena: its primitives without names, and its processes.

    As ``views()``. The arena is made if need be. ``NoRoomError``, ``UnsafeDirectoryError``.
    """
    found = program.place_of(program.arena())
    return reading.view_of(found.path, found.arena)


def find(name: str, namespace: str = DEFAULT_NAMESPACE) -> list[Statistics]:
    """What the primitive of that name is doing; empty if there is none. (A name is of one kind.)

    InvalidNameError for what can't be a name.
    """
    shown = reading.text(check_name(name).encode("utf-8", "surrogatepass"))
    return [one for seen in views(namespace) for one in seen.primitives if one.name == shown]


def waited() -> list[View]:
    """Of all arenas, what somebody waits for: as much as deadlocks are found in."""
    own = {place.path: place.arena for place in program.places()}
    found = [
        reading.view_of(path, arena, only_waited=True, members=False) for path, arena in own.items()
    ]
    for path in directory.arenas():
        if path not in own:
            other = reading.look(path, only_waited=True, members=False)
            if other is not None and other.primitives:
                found.append(other)
    return found
