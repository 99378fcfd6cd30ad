"""Where a thread waits: what it writes beside its entry among the waiters, for others to read."""

import os
import threading
from types import FrameType

from latchwork.passing import PACKAGE

COMMANDS = os.path.join(PACKAGE, "cli") + os.sep
TOUR = os.path.join(PACKAGE, "tour.py")  # a program as any other
NAME_MAX = 60  # bytes
LINE_MAX = 180


def note(frame: FrameType | None, room: int) -> bytes:
    """The thread's name, and the lines that led here, innermost first: as many as there is room for.

    None of Latchwork's own command, which has no line of anybody's.
    """
    text = _cut(threading.current_thread().name.replace("\n", " "), NAME_MAX)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(COMMANDS):
            break
        if code.co_filename == TOUR or not code.co_filename.startswith(PACKAGE):
            line = b"\n" + _line(code.co_filename, f":{frame.f_lineno} in {code.co_name}")
            if len(text) + len(line) > room:
                break
            text += line
        frame = frame.f_back
    return text


def read(text: bytes) -> tuple[str | None, tuple[str, ...]]:
    """The thread's name and its stack, of such a note."""
    name, *stack = text.decode("utf-8", "replace").split("\n")
    return name or None, tuple(stack)


def _cut(text: str, most: int) -> bytes:
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").encode()


def _line(file: str, rest: str) -> bytes:
    """A path that is too long loses its beginning."""
    end = _cut(rest.replace("\n", " "), LINE_MAX // 2)
    path = file.replace("\n", " ").encode("utf-8", "replace")
    most = LINE_MAX - len(end)
    if len(path) > most:
        path = b"..." + path[3 - most :].decode("utf-8", "ignore").encode()
    return path + end
