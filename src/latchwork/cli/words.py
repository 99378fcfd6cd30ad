"""What the commands for scripts have in common: how their words are read, and what they answer."""

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def seconds(value: str) -> float:
    """A time to wait: ``5``, ``0.5``, ``0`` (look once); not what time can't be."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise click.BadParameter(f"{value!r} is not a number of seconds, such as 5 or 0.5")
    return number


class OptionsThenCommand(click.Command):
    """``NAME [OPTIONS] [--] COMMAND ...``: options before and after the name, none once COMMAND began.

    So neither needs the ``--``: what is behind the first word after the name is COMMAND's own.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bring the options to the front, where click reads them, and stop it there."""
        ctx.allow_interspersed_args = False
        before, rest = self._split(ctx, args)
        if rest and rest[0] == "--":
            return super().parse_args(ctx, [*before, *rest])
        after, words = self._split(ctx, rest[1:])
        if words and words[0] == "--":
            words = words[1:]
        return super().parse_args(ctx, [*before, *after, "--", *rest[:1], *words])

    def _split(self, ctx: click.Context, args: list[str]) -> tuple[list[str], list[str]]:
        """The options that it begins with, and the rest."""
        valued = {
            name
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and not param.is_flag
            for name in param.opts
        }
        at = 0
        while at < len(args) and args[at] != "--" and args[at].startswith("-") and args[at] != "-":
            at += 1 + _takes_next(args[at], valued)
        return args[:at], args[at:]


def _takes_next(word: str, valued: set[str]) -> bool:
    """Whether the value of an option is the next word: ``--timeout 5``, ``-w 5``, ``-sw 5``."""
    if word.startswith("--"):
        return word in valued
    for at in range(1, len(word)):
        if f"-{word[at]}" in valued:
            return at == len(word) - 1
    return False


def timeout_option(function: Function) -> Function:
    """Add ``--timeout``."""
    return click.option(
        *("-w", "--timeout"),
        type=seconds,
        metavar="SECONDS",
        help="Wait for so long at most; else exit 124.",
    )(function)


def namespace_option(function: Function) -> Function:
    """Add ``--namespace``."""
    return click.option(
        "--namespace", metavar="NAMESPACE", help="Where the name is to be found (default: default)."
    )(function)


def json_option(function: Function) -> Function:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON, in one line.")(
        function
    )


def named(*options: Callable[..., Any]) -> Callable[[Function], Function]:
    """Add what says which primitive is meant, and how to answer: NAME, those, and the usual ones."""

    def add(function: Function) -> Function:
        for decorator in (
            json_option,
            namespace_option,
            *reversed(options),
            click.argument("name"),
        ):
            function = decorator(function)
        return function

    return add


def answer(as_json: bool, text: str | None, **facts: object) -> None:
    """Say it as JSON if that was asked for; else the text, if there is one."""
    if as_json:
        import json  # only now: `latchwork run`, which never comes here, is to start at once

        click.echo(json.dumps(facts))
    elif text is not None:
        click.echo(text)


def for_people(text: str) -> str | None:
    """What only somebody at a terminal wants to read: a script has the exit status."""
    return text if sys.stdout.isatty() else None
