"""What a check says."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["fine", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    level: Level
    """``fine``; ``note``: it works, but not as well as it could, or one should know; ``wrong``."""
    says: str
    do: str | None = None
    """What to do about it."""


def fine(topic: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(topic, "fine", says)


def note(topic: str, says: str, do: str | None = None) -> Finding:
    """It works; but."""
    return Finding(topic, "note", says, do)


def wrong(topic: str, says: str, do: str) -> Finding:
    """It does not work, or not for long."""
    return Finding(topic, "wrong", says, do)


def size(count: float) -> str:
    """Write an amount of memory with a unit that suits it."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
