"""Which arenas this process is in: its program's own, those of namespaces, those it was sent.

A program is a process and all that it starts through multiprocessing. Its arena is found by what
multiprocessing hands on to every child under every start method: the ``authkey``.
"""

import contextlib
import multiprocessing
import os
import sys
import threading
from multiprocessing import process, util
from typing import NamedTuple

from latchwork import _core, cleaning, directory
from latchwork._stat import parent_of
from latchwork.errors import GoneError, LatchworkError
from latchwork.passing import passing_over

ENVIRONMENT = "LATCHWORK_PROGRAM"


class Place(NamedTuple):
    """An arena that this process is a member of, and where it is."""

    path: str
    arena: "_core.Arena"
    namespace: str | None


_lock = threading.RLock()
_places: dict[bytes, Place] = {}
_namespaces: dict[str, Place] = {}
_program: "_core.Arena | None" = None
_cleaned = False


def _enter(path: str, arena: "_core.Arena", namespace: str | None = None) -> Place:
    known = _places.get(arena.uuid)
    if known is not None:
        if known.arena is not arena:
            arena.close()
        return known
    arena.attach()
    place = _places[arena.uuid] = Place(path, arena, namespace)
    return place


def _clean_once() -> None:
    global _cleaned
    if not _cleaned:
        _cleaned = True
        cleaning.clean()


def _was_started() -> bool:
    """While a spawned child imports the main module, it has no parent_process() yet."""
    inheriting = getattr(multiprocessing.current_process(), "_inheriting", False)
    return inheriting or multiprocessing.parent_process() is not None


def _is_fork_server() -> bool:
    """It imports what it is to preload, and its children inherit what was made there."""
    return any("multiprocessing.forkserver" in word for word in sys.orig_argv[:8])


def _is_child() -> bool:
    return _was_started() or _is_fork_server()


def _file_name() -> str:
    import hashlib  # takes long, and a child that is sent its primitives does without

    digest = hashlib.sha256(b"latchwork program\0" + bytes(process.current_process().authkey))
    return directory.PROGRAM + digest.hexdigest()[:24]


def script() -> str:
    """What this program is called; also in a child, which has its parent's arguments."""
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return "python" if not name or name.startswith("-") else name


def _starter() -> int:
    """The pid of the process that started this one, not of the server that forked it."""
    parent = os.getppid()
    if not _was_started() or multiprocessing.get_start_method(allow_none=True) != "forkserver":
        return parent
    with passing_over(OSError):
        return parent_of(parent)
    return parent


def _announce(name: str) -> None:
    """For a fork server, which has a key of its own, and for children after a change of the key."""
    os.environ[ENVIRONMENT] = f"{name}:{os.getpid()}"


def _join(name: str, make: bool) -> Place | None:
    """The program of the parent, by its key; or as it was announced: ``make`` its arena if need be."""
    announced, _, pid = os.environ.get(ENVIRONMENT, "").partition(":")
    announced = os.path.basename(announced)
    if announced.startswith(name) and (found := directory.find(announced)):
        return _enter(*found)
    if found := directory.find(name):
        return _enter(*found)
    if not announced.startswith(directory.PROGRAM):
        return None
    # The variable may come from another program further up: only believe it of a parent's.
    starter = _starter()
    if found := directory.find(announced):
        if starter in found[1].members():
            return _enter(*found)
        found[1].close()
    elif make and pid == str(starter):
        return _enter(*directory.find_or_create(announced, label=script())[:2])
    return None


def _begin(name: str) -> Place:
    path, arena, made = directory.find_or_create(name, root=os.getpid(), label=script())
    if made or arena.root() in (-1, os.getpid()):
        return _enter(path, arena)
    # Somebody set the same authkey in two programs.
    arena.close()
    another = f"{name}-{os.urandom(8).hex()}"
    path, arena, _ = directory.find_or_create(another, root=os.getpid(), label=script())
    return _enter(path, arena)


def _find_program() -> "_core.Arena":
    with _lock:
        if _program is not None:
            return _program
        name = _file_name()
        if _is_child():
            place = _join(name, make=True)
            if place is None:
                path, arena, _ = directory.find_or_create(name, label=script())
                place = _enter(path, arena)
        else:
            place = _begin(name)
        _settle(place)
    _clean_once()
    return place.arena


def _settle(place: Place) -> None:
    global _program
    _announce(os.path.basename(place.path))
    _program = place.arena
    _program.govern()


def follow() -> None:
    """Go by what the program has set, also in a child that has no use for its arena otherwise.

    If it has none yet, then nothing has been set.
    """
    if _program is not None or not _was_started():
        return
    with _lock, passing_over(OSError, LatchworkError):
        if _program is None and (place := _join(_file_name(), make=False)):
            _settle(place)


def _follow_from(place: Place) -> None:
    """The same, without a search if that is it: mostly a child is sent primitives of its program."""
    if _program is not None or not _was_started():
        return
    announced = os.path.basename(os.environ.get(ENVIRONMENT, "").partition(":")[0])
    if os.path.basename(place.path) == announced and _starter() in place.arena.members():
        _settle(place)
    else:
        follow()


def arena() -> "_core.Arena":
    """The arena of this program, made at the first call."""
    return _program if _program is not None else _find_program()


def namespace_file(name: str) -> str:
    """What the file of a namespace's arena is called."""
    import hashlib

    plain = name.isascii() and name.replace("-", "").replace(".", "").isalnum()
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return directory.NAMESPACE + (name if plain and len(name) < 100 else f"={digest[:32]}")


def namespace(name: str) -> Place:
    """The arena of the namespace of that name, made if need be."""
    with _lock:
        place = _namespaces.get(name)
        if place is None:
            file = namespace_file(name)
            path, found, _ = directory.find_or_create(file, persistent=True, label=name)
            place = _namespaces[name] = _enter(path, found, name)
            follow()
    _clean_once()
    return place


def places() -> list[Place]:
    """The arenas that this process is a member of."""
    return list(_places.values())


def place_of(found: "_core.Arena") -> Place:
    """Where an arena of a handle is."""
    return _places[found.uuid]


def attach(path: str, uuid: bytes, inherited: int | None, namespace: str | None) -> "_core.Arena":
    """The arena that a pickle names. ``inherited`` is a descriptor that came with it, or None."""
    with _lock:
        known = _places.get(uuid)
        if known is None:
            known = _attach(path, uuid, inherited, namespace)
        elif inherited is not None:
            os.close(inherited)
    _clean_once()
    return known.arena


def _attach(path: str, uuid: bytes, inherited: int | None, namespace: str | None) -> Place:
    found = None
    with contextlib.suppress(OSError, LatchworkError):
        found = directory.open_path(path)
    if found is not None and found.uuid != uuid:
        found.close()
        found = None
    if found is not None:
        if inherited is not None:
            os.close(inherited)
    elif inherited is not None:
        found = directory.map_file(path, inherited)
    else:
        raise GoneError(
            f"the program that this primitive belonged to has ended (there is no {path}): keep a "
            "process of it alive for as long as its primitives are in use, or give them names"
        )
    place = _enter(path, found, namespace)
    _follow_from(place)
    if namespace is not None:
        _namespaces.setdefault(namespace, place)
    return place


def _leave() -> None:
    for place in list(_places.values()):
        directory.leave(place.path, place.arena)


class _AtFork:
    """Something for multiprocessing's registry to hold a weak reference to."""


def _at_exit(_: object = None) -> None:
    # After multiprocessing has joined the children, and as the very last of its finalizers.
    util.Finalize(None, _leave, exitpriority=-1000)


def _new_thread_lock(_: object = None) -> None:
    global _lock
    _lock = threading.RLock()


_at_fork = _AtFork()
util.register_after_fork(_at_fork, _at_exit)
os.register_at_fork(after_in_child=_new_thread_lock)
_at_exit()
if not _is_child():
    _announce(_file_name())
