"""What of a Python stack somebody wants to read: not how Python began the process or thread."""

import re

# Innermost first: from one of these on it is Python's own, and of a forked child its parent's.
_BEGIN = re.compile(r"/(multiprocessing/process|threading)\.py:\d+ in (\w+\.)?_bootstrap(_inner)?$")
_CALLS = re.compile(
    r"/(multiprocessing/process|threading)\.py:\d+ in (\w+\.)?run$"
    r"|<frozen runpy>:|<string>:1 in <module>$"
)


def own(stack: tuple[str, ...]) -> tuple[str, ...]:
    """Without the frames at its outer end that are Python's; all of it if there are no others."""
    end = next((at for at, frame in enumerate(stack) if _BEGIN.search(frame)), len(stack))
    while end and _CALLS.search(stack[end - 1]):
        end -= 1
    return stack[:end] or stack
