"""Latchwork's primitives in the place of multiprocessing's, for every test that asks for the latter.

Nothing of CPython's is changed on disk: the names of the package ``multiprocessing`` and its contexts are
replaced in memory, in each process, before CPython's tests are imported.
"""

import multiprocessing
import multiprocessing.context
import multiprocessing.managers
import os
import sys

PLAIN = bool(os.environ.get("LATCHWORK_CPYTHON_PLAIN"))

PRIMITIVES = (
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Barrier",
)
NAMES = (
    *PRIMITIVES,
    "Queue",
    "JoinableQueue",
    "SimpleQueue",
    "Pool",
    "Value",
    "Array",
    "Manager",
)


def apply() -> None:
    """Replace them, unless this is about multiprocessing itself."""
    if PLAIN:
        return
    import latchwork
    from latchwork.managers import LocalManager

    if "patch" in vars(latchwork):
        latchwork.patch()
    else:
        _replace(latchwork)
    # Some tests make their manager from the class.
    multiprocessing.managers.SyncManager = LocalManager


def _replace(latchwork) -> None:
    from latchwork.context import _contexts

    std = multiprocessing.context
    # Queues, pools and the like ask the context for what they are made of.
    std._concrete_contexts.update(_contexts)
    default = std._default_context
    default._default_context = _contexts[default._default_context._name]
    if default._actual_context is not None:
        default._actual_context = _contexts[default._actual_context._name]
    for name in NAMES:
        setattr(multiprocessing, name, getattr(latchwork, name))


def primitive(name: str):
    """What the tests get as ``multiprocessing.<name>``."""
    return getattr(multiprocessing, name)


def kinds() -> dict[str, tuple[str, str]]:
    """The modules of the primitives that the package and its context make in this process."""
    context = multiprocessing.get_context()
    return {
        name: tuple(
            type(getattr(where, name)(*((1,) if name == "Barrier" else ()))).__module__
            for where in (multiprocessing, context)
        )
        for name in PRIMITIVES
    }


def own() -> list[str]:
    """Those of the names that are Latchwork's own code."""
    if PLAIN:
        return []
    context = sys.modules["latchwork.context"].DefaultContext
    std = multiprocessing.context.BaseContext
    return [
        name
        for name in NAMES
        if _is_ours(getattr(multiprocessing, name))
        or getattr(context, name, None) is not getattr(std, name)
    ]


def _is_ours(what: object) -> bool:
    return getattr(getattr(what, "__func__", what), "__module__", "").startswith("latchwork")
