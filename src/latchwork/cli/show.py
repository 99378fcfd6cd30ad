"""``latchwork show``: everything of one primitive."""

import difflib
import sys

import click

from latchwork.cli import describe, exits, facts, source
from latchwork.cli.detail import detail, told
from latchwork.cli.output import (
    console,
    json_option,
    namespace_option,
    printable,
    write,
    write_json,
)
from latchwork.inspect import Statistics, View, graph

Found = list[tuple[View, Statistics]]


@click.command("show")
@click.argument("name", metavar="NAME|ID")
@namespace_option
@json_option
def command(name: str, namespace: str | None, as_json: bool) -> int:
    """Show all of one primitive: its state, who holds it since when, who waits and in which line.

    NAME is the name of one; an ID as `latchwork ls --json` gives it; or the place where it was made,
    such as train.py:7. If several namespaces have the name, all are shown. Exit status 1: there is none.

    \b
    Examples:
      latchwork show build
      latchwork show build --namespace ci
      latchwork show train.py:7
      latchwork show build --json | jq '.primitives[0].owners'
    """
    views = source.look(namespace)
    found = having(name, views)
    if as_json:
        write_json(
            primitives=[
                {**facts.of_primitive(one), "arena": facts.of_arena(view)} for view, one in found
            ],
            deadlocks=[
                told(deadlock)
                for deadlock in graph(views).deadlocks
                if {wait.primitive.id for wait in deadlock.waits} & {one.id for _, one in found}
            ],
        )
        return exits.OK if found else exits.NO
    if not found:
        sys.stderr.write(f"latchwork: {_nothing(name, views)}\n")
        return exits.NO
    out, waits = console(), graph(views)
    for number, (view, primitive) in enumerate(found):
        if number:
            out.print()
        write(out, detail(view, primitive, waits))
    return exits.OK


def having(name: str, views: list[View]) -> Found:
    """Those of that name; else the one of that id; else those that were made at that place."""
    everything = [(view, one) for view in views for one in view.primitives]
    return (
        [(view, one) for view, one in everything if one.name == name]
        or [(view, one) for view, one in everything if one.id == name]
        or [(view, one) for view, one in everything if one.place and _is_at(one.place, name)]
    )


def _is_at(place: str, name: str) -> bool:
    return place == name or place.endswith("/" + name)


def _nothing(name: str, views: list[View]) -> str:
    known = [one.name for view in views for one in view.primitives if one.name is not None]
    alike = [repr(printable(one)) for one in difflib.get_close_matches(name, known)]
    hint = f"is it {' or '.join(alike)}?" if alike else "`latchwork ls --all` lists what there is"
    where = f" in {describe.some(len(views), 'arena')}" if views else ""
    return f"nothing{where} is called {printable(name)!r}; {hint}"
