"""File descriptors that are waited for beside primitives."""

import contextlib
import select
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def gathered(files: Sequence[int]) -> Iterator[int | None]:
    """One file descriptor that can be read when one of several can be; None if there are none.

    It is of its own: an event loop has but one reader for each, and these may have theirs already.
    """
    if not files:
        yield None
        return
    with select.epoll(len(files)) as together:
        for file in set(files):
            together.register(file, select.EPOLLIN)
        yield together.fileno()
