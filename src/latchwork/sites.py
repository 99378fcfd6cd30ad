"""By what primitives without a name of their own are known: mostly by where they were created.

What was created at module level is one object in the whole program.
"""

import os
import re
import sys
from multiprocessing import process
from types import FrameType

from latchwork._code import CO_OPTIMIZED

_LOCK_OF = re.compile(r"\(the lock of condition (\d+)\.(\d+)\)")
COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_made: dict[str, int] = {}


def _module_frame(frame: FrameType | None) -> FrameType | None:
    """The frame of the module whose top level is running, also from a class body or comprehension."""
    while frame is not None:
        if frame.f_code.co_flags & CO_OPTIMIZED:
            if frame.f_code.co_name not in COMPREHENSIONS:
                return None
        elif frame.f_code.co_name == "<module>":
            return frame
        frame = frame.f_back
    return None


def place(key: str) -> str:
    """``file:line`` of what ``key()`` calls ``module:path:line:kind#n``."""
    path, _, line = key.rpartition(":")[0].rpartition(":")
    return f"{os.path.basename(path.partition(':')[2])}:{line}"


def key(frame: FrameType, kind: str) -> str | None:
    """Name the place, and which one of those created there it is; None inside of a function.

    The same in every process of a program that runs the module: a spawned child knows the main module
    as ``__mp_main__``.
    """
    module = _module_frame(frame)
    if module is None:
        return None
    name = module.f_globals.get("__name__")
    file = module.f_code.co_filename
    if not isinstance(name, str) or file.startswith("<"):
        return None  # typed in, or exec'd: no child will ever run it again
    loaded = sys.modules.get(name)
    if loaded is None or vars(loaded) is not module.f_globals:
        return None
    if name == "__mp_main__":
        name = "__main__"
    if not os.path.isabs(file):
        file = os.path.join(getattr(process, "ORIGINAL_DIR", None) or "", file)
    place = f"{name}:{os.path.realpath(file)}:{frame.f_lineno}:{kind}"
    count = _made[place] = _made.get(place, 0) + 1
    return f"{place}#{count}"


def lock_of(condition: tuple[int, int]) -> str:
    """What the RLock of the named Condition at that place is called: none made later has that name."""
    slot, generation = condition
    return f"(the lock of condition {slot}.{generation})"


def condition_of(lock: str) -> tuple[int, int] | None:
    """The place of the Condition whose lock is called so; None: it is no Condition's."""
    found = _LOCK_OF.fullmatch(lock)
    return None if found is None else (int(found[1]), int(found[2]))
