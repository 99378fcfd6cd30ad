"""``latchwork graph``: who waits for whom, as text and as a picture."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from latchwork.cli import describe, exits, facts, source
from latchwork.cli.detail import told
from latchwork.cli.markup import dot, mermaid
from latchwork.cli.output import console, json_option, namespace_option, write, write_json
from latchwork.cli.picture import Picture, picture, programs_of
from latchwork.cli.tree import trees
from latchwork.inspect import Graph, View, graph

# A chain of a thousand is deep: the terminal breaks the lines, nothing is cut off.
AS_WIDE_AS_NEEDED = 1_000_000


@click.command("graph")
@namespace_option
@click.option(
    "--svg",
    "svg_file",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Draw it into this file; - is the standard output.",
)
@click.option("--dot", "as_dot", is_flag=True, help="Write it for Graphviz.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Write it for Mermaid.")
@json_option
def command(
    namespace: str | None, svg_file: str | None, as_dot: bool, as_mermaid: bool, as_json: bool
) -> int:
    """Show the wait-for graph: who waits for what, and who holds that.

    As text it is a tree: those who hold everything up are at its root, and below each those who wait
    for it. What takes part in a deadlock is red. Exit status 5: there is a deadlock.

    \b
    Examples:
      latchwork graph
      latchwork graph --svg waits.svg
      latchwork graph --dot | dot -Tpng > waits.png
      latchwork graph > /dev/null; test $? -eq 5 && echo deadlock
      latchwork graph --json | jq -r '.deadlocks[].told'
    """
    if sum(map(bool, (svg_file, as_dot, as_mermaid, as_json))) > 1:
        raise click.UsageError("--svg, --dot, --mermaid and --json exclude each other.")
    views = source.look(namespace)
    waits = graph(views)
    if as_json:
        write_json(**_facts(views, waits))
    elif svg_file is not None:
        _draw(picture(views, waits), _title(waits), svg_file)
    elif as_dot:
        sys.stdout.write(dot(picture(views, waits)))
    elif as_mermaid:
        sys.stdout.write(mermaid(picture(views, waits)))
    else:
        _print(waits, picture(views, waits))
    return exits.DEADLOCK if waits.deadlocks else exits.OK


def _title(waits: Graph) -> str:
    number = len(waits.deadlocks)
    what = f", {describe.some(number, 'deadlock')}" if number else ""
    return f"{describe.some(len(waits.waits), 'wait')}{what}"


def _draw(drawn: Picture, title: str, file: str) -> None:
    from latchwork.cli.svg import svg

    text = svg(drawn, title)
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(file, error.strerror) from error


def _print(waits: Graph, drawn: Picture) -> None:
    out = console(AS_WIDE_AS_NEEDED)
    if not waits.waits:
        out.print(Text("nobody waits", "dim"))
        return
    for number, grown in enumerate(trees(drawn)):
        if number:
            out.print()
        for tree in grown:
            out.print(tree, soft_wrap=True)
    for deadlock in waits.deadlocks:
        out.print()
        write(console(), Text(told(deadlock), "red"))


def _facts(views: list[View], waits: Graph) -> dict[str, Any]:
    programs = programs_of(views, waits)
    return {
        "nodes": [
            {
                "id": facts.key(node),
                "kind": node.kind,
                "pid": node.pid,
                "number": None if node.kind == "process" else node.number,
                "program": programs.get(node.pid),
                "blocked": node in waits.blocked,
            }
            for node in waits.nodes
        ],
        "waits": [
            {
                "node": facts.key(wait.node),
                "primitive": wait.primitive.id,
                "title": wait.primitive.title,
                "wants": wait.waiter.wants,
                "needs": str(wait.needs),
                "for": [facts.key(edge.to) for edge in wait.edges],
                "since": wait.waiter.since,
                "until": wait.waiter.until,
                "stack": list(wait.waiter.stack),
            }
            for wait in waits.waits
        ],
        "deadlocks": [
            {
                "certain": deadlock.certain,
                "nodes": sorted(facts.key(node) for node in deadlock.nodes),
                "cycle": [facts.key(step.wait.node) for step in deadlock.cycle],
                "primitives": sorted({wait.primitive.id for wait in deadlock.waits}),
                "told": str(deadlock),
            }
            for deadlock in waits.deadlocks
        ],
    }
