"""Checking what a primitive is made with."""

from operator import index
from typing import SupportsIndex

from latchwork.errors import ConflictError


def check_number(value: SupportsIndex, what: str, least: int, most: int) -> int:
    """Return a whole number that is in range; say what is wrong with any other."""
    number = index(value)
    if not least <= number <= most:
        raise ValueError(f"{what} must be {least} to {most}, not {number}")
    return number


def check_same(kind: str, name: str, what: str, there: object, wanted: object) -> None:
    """Refuse a name whose primitive was made otherwise than this caller wants it."""
    if there != wanted:
        raise ConflictError(
            f"the {kind} {name!r} was made with {what}={there!r}, not {wanted!r}: ask for the same, "
            "choose another name, or unlink() it"
        )
