"""What processes are called: by the script that they run, where that can be known."""

import itertools
import os
from collections.abc import Iterator

from latchwork._stat import parent_of
from latchwork.passing import passing_over

PATCHING, COMMAND = "latchwork", "latchwork.cli"
STARTERS = ("multiprocessing.spawn", "multiprocessing.forkserver")
WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
GENERATIONS = 16


def program(pid: int) -> str:
    """The script of a Python process (``train.py``, ``-m pytest``), or its command; ``?`` if it is gone.

    Of Latchwork's own command it is what that does: ``latchwork run``.
    Of one that multiprocessing has started anew it is that of the process which started it.
    """
    for _ in range(GENERATIONS):
        words = _words(pid)
        if not words:
            return "?"
        if not any(name in word for word in words[:8] for name in STARTERS):
            return _called(words)
        pid = _parent(pid)
        if pid <= 1:
            break  # an orphan, adopted by nobody who would know
    return "python"


def _words(pid: int) -> list[str]:
    with passing_over(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        text = file.read(1 << 14)
        return [word.decode("utf-8", "replace") for word in text.split(b"\0")[:-1]]
    return []


def _parent(pid: int) -> int:
    with passing_over(OSError, IndexError, ValueError):
        return parent_of(pid)
    return 0


def _called(words: list[str]) -> str:
    command = os.path.basename(words[0])
    if not command.startswith(("python", "pypy")):
        return command
    arguments = iter(words[1:])
    for word in arguments:
        if word == "-m":
            module = next(arguments, "?")
            if module == PATCHING:
                continue  # what it runs is what follows
            return _own(arguments) if module == COMMAND else f"-m {module}"
        if word == "-c":
            return "python -c"
        if word in WITH_VALUE:
            next(arguments, None)
        elif not word.startswith("-"):
            name = os.path.basename(word) or command
            return _own(arguments) if name == PATCHING else name
    return command


def _own(arguments: Iterator[str]) -> str:
    return " ".join([PATCHING, *itertools.islice(arguments, 1)])
