"""Tasks as owners: each has a number, that no other task of the process has or will have."""

import itertools
import sys
from typing import Any
from weakref import WeakKeyDictionary

from latchwork import _core

FIRST = 0x80000001  # with the top bit: no thread of the kernel looks like that
_numbers: "WeakKeyDictionary[Any, int]" = WeakKeyDictionary()
_next = itertools.count(FIRST)


def current_task() -> Any:
    """The task that runs in this thread, or None."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return trio.lowlevel.current_task()
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    return asyncio.current_task()


def this_task() -> int:
    """Its number; 0 if none runs, or it has none."""
    task = current_task()
    return 0 if task is None else _numbers.get(task, 0)


def number_of_task() -> int:
    """Its number, which it is given if it has none. RuntimeError if none runs."""
    task = current_task()
    if task is None:
        raise RuntimeError("this is to be awaited by a task of a running event loop")
    number = _numbers.get(task)
    if number is None:
        number = _numbers[task] = next(_next)
        if number == FIRST:
            _core.tasks_own(this_task)
    return number
