"""``latchwork ls``: all primitives at a glance."""

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from latchwork.cli import describe, exits, facts, source
from latchwork.cli.ages import short
from latchwork.cli.output import (
    console,
    json_option,
    namespace_option,
    printable,
    write_columns,
    write_json,
)
from latchwork.cli.rows import Row, rows
from latchwork.inspect import graph

HEAD = ("KIND", "NAME", "WHERE", "STATE", "OWNER", "HELD", "WAITING", "LONGEST")


@click.command("ls")
@namespace_option
@click.option("--all", "everything", is_flag=True, help="Also unnamed ones that nobody uses now.")
@json_option
def command(namespace: str | None, everything: bool, as_json: bool) -> int:
    """List the primitives of this user: who holds them, how many wait.

    Named ones are shown with their namespace, unnamed ones with the program that has them, and the
    line that made them if it is at the top level of a module. HELD is how long the owner has had it,
    LONGEST how long the first has waited. Written to a pipe it is a line for each, with tabs between.

    \b
    Examples:
      latchwork ls
      latchwork ls --namespace builds
      latchwork ls | awk -F'\\t' '$7 > 0 { print $2, $5 }'
      latchwork ls --json | jq -r '.views[].primitives[] | select(.waiters != []) | .title'
    """
    views = source.look(namespace)
    found = rows(views, graph(views))
    shown = [row for row in found if everything or row.is_of_interest]
    if as_json:
        ids = {row.primitive.id for row in shown}
        arenas = [facts.of_view(view) for view in views]
        for arena in arenas:
            arena["primitives"] = [one for one in arena["primitives"] if one["id"] in ids]
        write_json(views=arenas)
        return exits.OK
    out = console()
    if not out.is_terminal:
        write_columns(HEAD, (_cells(row) for row in shown))
        return exits.OK
    if shown:
        out.print(table(shown))
    _say_what_is_left_out(out, len(found) - len(shown), bool(shown), namespace)
    return exits.OK


def _cells(row: Row) -> tuple[str, ...]:
    one = row.primitive
    return (
        one.kind,
        one.name or one.place or one.id,
        describe.where(row.view),
        row.state,
        describe.owners(one),
        short(describe.held_for(one)),
        str(len(one.waiters)),
        short(describe.longest_wait(one)),
    )


def table(shown: list[Row]) -> Table:
    """For a terminal: what has no room goes to the next line, nothing is lost."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in HEAD:
        right = title in ("HELD", "WAITING", "LONGEST")
        made.add_column(
            title,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right or title == "KIND",
        )
    for row in shown:
        cells = [Text(printable(cell)) for cell in _cells(row)]
        cells[3].stylize(row.style)
        if not row.primitive.waiters:
            cells[6].stylize("dim")
        made.add_row(*cells)
    return made


def _say_what_is_left_out(out: Console, left: int, any_shown: bool, namespace: str | None) -> None:
    if left:
        out.print(
            Text(
                f"{'and ' if any_shown else ''}{describe.some(left, 'unnamed one')} that nobody "
                "holds or waits for: --all shows them",
                "dim",
            )
        )
    elif not any_shown:
        place = f" in the namespace {printable(namespace)!r}" if namespace else ""
        out.print(Text(f"nothing of Latchwork is there now{place}", "dim"))
