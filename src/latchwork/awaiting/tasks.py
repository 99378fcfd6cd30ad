"""Tasks that are not asyncio's, as owners of an RLock."""

import sys
from typing import Any
from weakref import WeakKeyDictionary

from latchwork import _core

_numbers: "WeakKeyDictionary[Any, int]" = WeakKeyDictionary()


def in_trio_task() -> bool:
    """Whether a task of trio's runs here; trio may be half imported, by another thread."""
    ask = getattr(sys.modules.get("trio.lowlevel"), "in_trio_task", None)
    return ask is not None and bool(ask())


def number(make: bool) -> int:
    """That of the task which runs here: 0 if it has none, or there is none.

    ``make``: it is given one then; RuntimeError if there is no task.
    """
    if not in_trio_task():
        if make:
            raise RuntimeError("this is to be awaited by a task of a running event loop")
        return 0
    task = sys.modules["trio.lowlevel"].current_task()
    if make and task not in _numbers:
        _numbers[task] = _core.new_number()
    return _numbers.get(task, 0)
