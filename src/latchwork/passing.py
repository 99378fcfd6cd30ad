"""Errors that a look passes over, and those that are not its own.

A look runs in the thread that waits. If that is the main thread, signal handlers run in the middle of
it, and what they raise has to end the wait, as ever: also a TimeoutError, which is an OSError.
"""

import os
import sys
from types import TracebackType

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
LIBRARY = os.path.dirname(os.__file__) + os.sep
ADDED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class passing_over:
    """As ``contextlib.suppress``, but for what a signal handler has raised."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return isinstance(error, self._kinds) and is_own(error)


def is_own(error: BaseException) -> bool:
    """Whether it comes from Latchwork's own lines or the standard library's, and from nobody else's.

    A signal handler has a line of its own among those that it went through. What another thread has
    injected (``PyThreadState_SetAsyncExc``) has none: but mostly a class of its own.
    """
    home = type(error).__module__.partition(".")[0]
    if home != "latchwork" and home not in sys.stdlib_module_names:
        return False
    traceback = error.__traceback__
    while traceback is not None:
        if not _is_own_file(traceback.tb_frame.f_code.co_filename):
            return False
        traceback = traceback.tb_next
    return True


def _is_own_file(file: str) -> bool:
    if file.startswith((PACKAGE, "<frozen ")):
        return True
    return file.startswith(LIBRARY) and not any(part in file for part in ADDED)
