"""Put Latchwork's primitives in the place of multiprocessing's, in this process and its children."""

import multiprocessing
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from multiprocessing import context, reduction, spawn, synchronize, util
from types import MethodType, ModuleType
from typing import Any

from latchwork import primitives
from latchwork.context import _Latchwork
from latchwork.errors import PatchWarning

__all__ = ["patch", "unpatch"]

NAMES = (
    "Array",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Pool",
    "Queue",
    "RLock",
    "Semaphore",
    "SimpleQueue",
    "Value",
)
CLASSES = ("Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore")

# A child's sys.path is set from the same data, but only after all of it was unpickled.
_IN_CHILD = """
import sys
sys.path[:] = path
from latchwork import patching
patching._apply()
"""
# What the server preloads, it imports before it hears of any child. Its path is not the program's:
# where it finds no Latchwork, its children are patched all the same, one by one.
_IN_FORK_SERVER = """
try:
    from latchwork import patching
    patching._apply()
except ImportError:
    pass
"""

_lock = threading.Lock()
_undo: ExitStack | None = None
_methods: dict[str, Any] = {name: vars(context.BaseContext)[name] for name in NAMES}
_originals: dict[str, type] = {
    name: found
    for name, found in vars(synchronize).items()
    if name in CLASSES and isinstance(found, type)
}


def patch() -> None:
    """Let ``multiprocessing`` hand out Latchwork's primitives, here and in all children.

    Promised: from then on, all that Latchwork has of its own comes from Latchwork, by whatever way a
    program asks for it: ``multiprocessing.Lock()``, any context, also one that exists already or is of
    a third party's class, ``multiprocessing.synchronize.Lock(ctx=…)``; and so do the locks inside of
    queues, pools and executors made from then on. Children started through multiprocessing are patched
    before they import or unpickle anything of the program. ``isinstance(lock,
    multiprocessing.synchronize.Lock)`` holds for Latchwork's as for multiprocessing's. A second call
    does nothing.

    Not promised: what was taken out of ``multiprocessing`` before. Primitives that exist stay what they
    are. ``from multiprocessing import Lock`` gives Latchwork's from then on, but a new one in each
    process that runs the call, also at the top of a module; so does ``synchronize.Lock(ctx=…)``. A class
    of ``multiprocessing.synchronize``, ``Manager`` and the like stay multiprocessing's own: one
    ``PatchWarning`` names each attribute of a module that is such a one, or such a primitive. What
    functions, classes and objects of the program hold, it can't see.

    Not reached: subclasses that a program makes of ``synchronize``'s classes; ``SyncManager()`` by its
    own name; what a library makes out of ``_multiprocessing.SemLock``; and processes that were started
    by other means than ``multiprocessing``, unless by ``os.fork()``.
    """
    if _undo is not None:
        return
    bound = tuple(_bound_before())
    _apply()
    if bound:
        warnings.warn(
            PatchWarning(
                "taken from multiprocessing before latchwork.patch(), and so still its own: "
                f"{', '.join(bound)}. Call patch() before these modules are imported, or run the "
                "program by python -m latchwork",
                bound,
            ),
            stacklevel=2,
        )


def unpatch() -> None:
    """Give ``multiprocessing`` back what it had.

    Primitives that were handed out in the meantime go on working. A fork server that was started in the
    meantime stays patched, and so are its children.
    """
    global _undo
    with _lock:
        if _undo is not None:
            _undo.close()
            _undo = None


def _apply() -> None:
    """Patch, unless it is done."""
    global _undo
    with _lock:
        if _undo is not None:
            return
        ours = _ours()
        with ExitStack() as undo:
            for name, method in ours.items():
                _replace(undo, context.BaseContext, name, method)
                _replace(undo, multiprocessing, name, getattr(context._default_context, name))
            for name in _originals.keys() & ours.keys():
                _replace(undo, synchronize, name, _facade(name))
                _replace_reducer(undo, _originals[name])
            _replace(undo, spawn, "get_preparation_data", _preparing(spawn.get_preparation_data))
            _replace(undo, util, "spawnv_passfds", _spawning(util.spawnv_passfds))
            _undo = undo.pop_all()


def _ours() -> dict[str, Any]:
    """What Latchwork's contexts have of their own.

    These very functions become methods of multiprocessing's contexts, with nothing in between: they
    look at the frame that calls them, to know what is made at the top of a module. So of ``self`` they
    must use only what ``BaseContext`` has.
    """
    from inspect import getattr_static  # takes long

    found = {name: getattr_static(_Latchwork, name, None) for name in NAMES}
    return {name: own for name, own in found.items() if own not in (None, _methods[name])}


def _replace(undo: ExitStack, where: object, name: str, new: object) -> None:
    undo.callback(setattr, where, name, vars(where)[name])
    setattr(where, name, new)


# What was bound before


def _bound_before() -> Iterator[str]:
    """Attributes of the program's modules that will stay multiprocessing's own."""
    ours = _ours()
    classes = tuple(_originals[name] for name in _originals.keys() & ours.keys())
    # The other functions look for their class when they are called, and find what stands there then.
    names = ours.keys() - _originals.keys()
    lasting = {id(_methods[name]) for name in names} | set(map(id, classes))
    seen = set()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in ("multiprocessing", "latchwork") or id(module) in seen:
            continue
        seen.add(id(module))  # __main__ is __mp_main__ as well
        if isinstance(module, ModuleType):
            for attribute, value in list(vars(module).items()):
                function = value.__func__ if type(value) is MethodType else value
                # By type(): an object may lie about its class, or do things when it is asked.
                if id(function) in lasting or issubclass(type(value), classes):
                    yield f"{name}.{attribute}"


# The classes of multiprocessing.synchronize


class _Facade(type):
    """The type of what stands for a class of ``synchronize``: called, it makes Latchwork's."""

    _stands_for: type

    def __call__(cls, *args: Any, **kwds: Any) -> Any:
        if "_stands_for" not in vars(cls):  # a subclass of the program's: multiprocessing's own
            return super().__call__(*args, **kwds)
        ctx = kwds.pop("ctx", None)
        make: Callable[..., Any] = getattr(_Latchwork, cls.__name__)
        return make(context._default_context if ctx is None else ctx, *args, **kwds)

    def __instancecheck__(cls, instance: object) -> bool:
        if "_stands_for" not in vars(cls):
            return super().__instancecheck__(instance)
        return isinstance(instance, _kinds(cls._stands_for))

    def __subclasscheck__(cls, subclass: type) -> bool:
        if "_stands_for" not in vars(cls):
            return super().__subclasscheck__(subclass)
        return issubclass(subclass, _kinds(cls._stands_for))


def _kinds(original: type) -> tuple[type, ...]:
    """A class of ``synchronize``, and Latchwork's for it and for what is derived from it."""
    names = [name for name, other in _originals.items() if issubclass(other, original)]
    ours = (getattr(primitives, name, None) for name in names)
    return original, *(kind for kind in ours if isinstance(kind, type))


@cache
def _facade(name: str) -> type:
    original = _originals[name]
    body = {
        "__doc__": original.__doc__,
        "__module__": original.__module__,
        "_stands_for": original,
    }
    return _Facade(name, (original,), body)


def _replace_reducer(undo: ExitStack, original: type) -> None:
    """Let those made before be sent to children: pickle no longer finds their class by its name."""
    reducers: dict[type, Any] = reduction.ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    reducers[original] = _reduce
    undo.callback(reducers.pop, original)


def _reduce(primitive: object) -> tuple[Any, ...]:
    plain: Any = primitive.__reduce_ex__(2)
    _, (cls, *args), *rest = plain
    return _rebuild, (cls.__name__, *args), *rest


def _rebuild(name: str, *args: Any) -> Any:
    original: Any = _originals[name]
    return original.__new__(original, *args)


# Children


class _Patched:
    """Part of what a child is sent first: to unpickle it patches the child."""

    def __init__(self, path: list[str]) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return exec, (_IN_CHILD, {"path": self._path})


def _preparing(original: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    def get_preparation_data(name: str) -> dict[str, Any]:
        data = original(name)
        return {"latchwork": _Patched(data["sys_path"]), **data}

    return get_preparation_data


def _spawning(original: Callable[..., int]) -> Callable[..., int]:
    def spawnv_passfds(path: Any, args: Any, passfds: Any) -> int:
        words = list(args)
        for i, word in enumerate(words):
            if isinstance(word, str) and word.startswith("from multiprocessing.forkserver import"):
                words[i] = _IN_FORK_SERVER + word
        return original(path, words, passfds)

    return spawnv_passfds
