"""What shells offer at TAB besides commands and options: names, namespaces, pids that there are now.

An argument or option that is called ``name``, ``namespace`` or ``pid`` is one, in every command.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from latchwork.cli import source
from latchwork.inspect import Statistics

VARIABLE = "_LATCHWORK_COMPLETE"  # set by the shell's function that asks
NEEDS_QUOTES = re.compile(r"([^\w@%+=:,./-])")


class Name(click.types.StringParamType):
    """The name of a primitive."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those of the namespace that was given, or of the default one."""
        namespace = ctx.params.get("namespace") or "default"
        return _offer(_names(namespace), incomplete)


class Namespace(click.types.StringParamType):
    """A namespace."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that there are."""
        return _offer(_namespaces(), incomplete)


class Pid(click.IntRange):
    """A process that uses Latchwork."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The members of all arenas."""
        return _offer(_pids(), incomplete)


def _names(namespace: str) -> Iterator[tuple[str, str]]:
    for view in source.look(namespace):
        for one in view.primitives:
            if one.name is not None:
                yield one.name, _told(one)


def _told(one: Statistics) -> str:
    """The kind and the state, as a hint."""
    return f"{one.kind}, {one.state}" + (f", {len(one.waiters)} waiting" if one.waiters else "")


def _namespaces() -> Iterator[tuple[str, str]]:
    for view in source.look():
        if view.namespace is not None:
            yield view.namespace, f"{len(view.primitives)} primitives"


def _pids() -> Iterator[tuple[str, str]]:
    for view in source.look():
        for member in view.members:
            yield str(member.pid), member.program


def _offer(found: Iterator[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    try:
        offered = {word: hint for word, hint in sorted(found) if word.startswith(incomplete)}
    except Exception:  # whatever it is, half a line at the prompt is no place to tell of it
        return []
    if os.environ.get(VARIABLE, "").startswith(
        "bash"
    ):  # which, unlike others, quotes nothing itself
        offered = {NEEDS_QUOTES.sub(r"\\\\\1", word): hint for word, hint in offered.items()}
    return [CompletionItem(word, help=hint) for word, hint in offered.items()]


# What a parameter of that name has to be, to be one, and what it is then.
TYPES: "dict[str, tuple[type[click.ParamType[Any]], click.ParamType[Any]]]" = {
    "name": (click.types.StringParamType, Name()),
    "namespace": (click.types.StringParamType, Namespace()),
    "pid": (click.IntRange, Pid(min=1)),
}


def teach(command: click.Command) -> None:
    """Let all its parameters know what there is to be offered."""
    for parameter in command.params:
        of, taught = TYPES.get(parameter.name or "", (None, None))
        if of is not None and taught is not None and isinstance(parameter.type, of):
            parameter.type = taught
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            teach(inner)
