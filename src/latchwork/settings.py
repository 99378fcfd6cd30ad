"""Settings of a program: ``configure()``, and the environment that is read at the first import."""

import math
import os
from collections.abc import Callable
from typing import Literal, SupportsFloat, SupportsIndex

from latchwork import _core

DEADLOCK = "LATCHWORK_DEADLOCK"
LOOK_AFTER = "LATCHWORK_LOOK_AFTER"
# As the core numbers them: enum lw_deadlock.
MODES = ("", "warn", "raise", "raise-probable", "ignore")
LEAST, MOST = 0.01, 86400.0 * 30

Deadlock = Literal["warn", "raise", "raise-probable", "ignore"]


def mode_number(deadlock: object) -> int:
    """The core's number of what is to be done about a deadlock. TypeError, ValueError."""
    if not isinstance(deadlock, str):
        raise TypeError(f"deadlock must be a str, not {type(deadlock).__name__}")
    if not deadlock or deadlock not in MODES:
        raise ValueError(f"deadlock must be one of {', '.join(MODES[1:])}, not {deadlock!r}")
    return MODES.index(deadlock)


def _milliseconds(look_after: object) -> int:
    """TypeError, ValueError."""
    if not isinstance(look_after, SupportsFloat | SupportsIndex):
        raise TypeError(f"look_after must be a number, not {type(look_after).__name__}")
    try:
        seconds = float(look_after)
    except OverflowError:
        seconds = MOST + 1
    if seconds == math.inf:
        return _core.LOOK_NEVER
    if not LEAST <= seconds <= MOST:
        raise ValueError(
            f"look_after must be {LEAST} to {MOST:.0f} seconds, or math.inf, not {look_after!r}"
        )
    return round(seconds * 1000)


def configure(
    *,
    deadlock: Deadlock | None = None,
    look_after: float | None = None,
    profile: bool | str | os.PathLike[str] | None = None,
) -> None:
    """Set what holds for the whole program: this process, and all that it has started or will start.

    ``deadlock`` says what is done when threads wait for each other for ever:

    - ``"warn"`` (so it is at first): a ``DeadlockWarning`` names them all, once;
    - ``"raise"``: of one that is certain, one thread gets a ``DeadlockError``; of one that is only
      probable (another process may release a Lock) a warning is given all the same;
    - ``"raise-probable"``: of either, one thread gets a ``DeadlockError``;
    - ``"ignore"``: nobody looks.

    ``look_after``: seconds that a thread waits before it looks, 0.01 to 30 days, 1 at first;
    ``math.inf``: nobody looks, nor writes down where it waits. ``profile``: True, or a directory, to
    record from now on as ``latchwork.profiling.start()`` does, in this process and those that it starts
    from now on; False: no more. What is None stays as it is.

    The environment variables ``LATCHWORK_DEADLOCK``, ``LATCHWORK_LOOK_AFTER`` and ``LATCHWORK_PROFILE``
    say the same for a program that calls nothing; this function has the last word. A primitive that was
    made with ``deadlock=`` has its own. Waits that have begun go by ``look_after`` as it was.

    multiprocessing has nothing like it. TypeError and ValueError for what is none of these, and then
    nothing is changed; ``NoRoomError``, ``UnsafeDirectoryError`` if the program's arena can't be made;
    OSError if it can't be recorded there.
    """
    mode = 0 if deadlock is None else mode_number(deadlock)
    look_ms = 0 if look_after is None else _milliseconds(look_after)
    if profile is not None and not isinstance(profile, bool):
        profile = os.fspath(profile)
    if mode or look_ms:
        from latchwork import program

        program.arena().set(look_ms, mode)
    if profile is not None:
        from latchwork import profiling

        if profile is False:
            profiling.stop()
        else:
            profiling.start(profile)


def from_environment() -> None:
    """Go by the environment where the program has set nothing; warn of what means nothing there."""
    mode = _said(DEADLOCK, mode_number)
    look_ms = _said(LOOK_AFTER, lambda text: _milliseconds(float(text)))
    _core.settings_otherwise(look_ms, mode)


def _said(variable: str, means: Callable[[str], int]) -> int:
    text = os.environ.get(variable)
    try:
        return means(text) if text else 0
    except ValueError as error:
        import warnings

        warnings.warn(f"{variable} is left out: {error}", RuntimeWarning, stacklevel=4)
        return 0
