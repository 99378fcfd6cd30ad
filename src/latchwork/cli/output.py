"""How the commands write: colours on a terminal only, one JSON object, columns that scripts can cut."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])

# Of the shape of what --json writes: raised when something in it is renamed or taken away.
JSON_VERSION = 1
HANGING, NARROW = 4, 20


def console(width: int | None = None) -> Console:
    """The standard output. NO_COLOR and FORCE_COLOR are rich's to respect."""
    return Console(highlight=False, markup=False, emoji=False, width=width)


def write(out: Console, text: Text) -> None:
    """Write lines. Those too long for a terminal go on below, a little more to the right; into a pipe
    nothing is broken.
    """
    for line in text.split("\n"):
        before = len(line) - len(line.plain.lstrip(" "))
        parts = [line]
        if out.is_terminal and len(line) > out.width:
            wrapped = line[before:].wrap(out, max(out.width - before - HANGING, NARROW))
            indents = [before, *[before + HANGING] * (len(wrapped) - 1)]
            parts = [Text(" " * wide) + part for wide, part in zip(indents, wrapped, strict=True)]
        for part in parts:
            part.rstrip()
            out.print(part, soft_wrap=True)


def printable(text: str) -> str:
    """Names and paths are anybody's: nothing in them reaches the terminal as a command to it."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def one_line(text: str, width: int) -> str:
    """What has room, the end told by an ellipsis."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def write_json(**facts: Any) -> None:
    """One object, with the version of its shape first."""
    json.dump({"version": JSON_VERSION, **facts}, sys.stdout, indent=2)
    sys.stdout.write("\n")


def write_columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A line for each, a tab between: for cut, awk, sort."""
    for row in (head, *rows):
        sys.stdout.write("\t".join(printable(cell) for cell in row) + "\n")


def json_option(command: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")(command)


def namespace_option(command: F) -> F:
    """``--namespace``."""
    return click.option("--namespace", metavar="NS", help="Only what is in this namespace.")(
        command
    )
