"""Errors that a look passes over, and those that are not its own.

A look runs in the thread that waits. If that is the main thread, signal handlers run in the middle of
it, and what they raise has to end the wait, as ever: also a TimeoutError, which is an OSError.
"""

import os
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
        return isinstance(error, self._kinds) and is_own(traceback)


def is_own(traceback: TracebackType | None) -> bool:
    """Whether it comes from Latchwork's own lines or the standard library's: no handler is in those."""
    if traceback is None:
        return True
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    file = traceback.tb_frame.f_code.co_filename
    if file.startswith((PACKAGE, "<frozen ")):
        return True
    return file.startswith(LIBRARY) and not any(part in file for part in ADDED)
