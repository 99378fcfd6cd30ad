"""What the laws run over: engines that make primitives, and the ways to share what they made.

Another engine is one more class with these members, and one more entry of ``ENGINES``.
"""

import contextlib
import functools
import os
from typing import NamedTuple

import latchwork

FUTEX_WAIT, FUTEX_WAITV = ("202", "98"), "449"  # on x86-64, on arm64; both


class Shape(NamedTuple):
    """A primitive as a law wants it. A str among the arguments: a lock of that kind, shared likewise."""

    kind: str
    args: tuple = ()
    kwargs: tuple = ()


class Shm:
    """Latchwork's own: words in shared memory."""

    name = "shm"
    ways = ("fork", "spawn", "forkserver", "pickled", "named", "module")
    module, table = "at_module_level", "made"

    def context(self, method):
        """multiprocessing's face over this engine."""
        return latchwork.get_context(method)

    def make(self, kind, *args, name=None, **kwargs):
        """A primitive of that kind; with a name, the one of that name."""
        args = [
            self.make(arg, name=name and f"{name} lock {place}") if isinstance(arg, str) else arg
            for place, arg in enumerate(args)
        ]
        return getattr(latchwork, kind)(*args, name=name, **kwargs)

    def sleeps(self, pid, tid):
        """Whether that thread sleeps in a primitive, rather than for the interpreter's own lock."""
        try:
            with open(f"/proc/{pid}/task/{tid}/syscall") as syscall:
                number, *words = syscall.read().split()
            with open(f"/proc/{pid}/task/{tid}/stat") as stat:
                state = stat.read().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state != "S" or number == FUTEX_WAITV:
            return state == "S"
        return number in FUTEX_WAIT and _in_an_arena(pid, int(words[0], 16))

    def watchers(self, pid):
        """The states of the threads of that process that wait on behalf of its tasks."""
        states = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/stat") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
                if name == "latchwork-wait":
                    states.append(rest.split()[0])
        return states

    def awaits(self, pid):
        """Whether these have been told all, and sleep: to be asked while a task of it waits."""
        return set(self.watchers(pid)) == {"S"}


@functools.lru_cache(1024)
def _arena_at(pid, page):
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            span, *_, file = line.split(maxsplit=5)
            first, last = (int(end, 16) for end in span.split("-"))
            if first <= page < last:
                return os.environ["LATCHWORK_DIR"] in file
    return False


def _in_an_arena(pid, address):
    # A mapping comes and goes with its process only; but what was none may become one.
    page = address & ~0xFFF
    if _arena_at(pid, page):
        return True
    _arena_at.cache_clear()
    return False


ENGINES = [Shm()]
