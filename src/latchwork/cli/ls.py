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

# Of these so much is enough, the rest is on the next line. The others are left out, in that order, where
# even so there is no room for all.
ENOUGH = {"NAME": 20, "WHERE": 16, "STATE": 12, "OWNER": 18}
NARROW = 8
LEFT_OUT = ("HELD", "WHERE", "LONGEST", "KIND")
HEAD = ("KIND", "NAME", "WHERE", "STATE", "OWNER", "HELD", "WAITING", "LONGEST")


@click.command("ls")
@namespace_option
@click.option("--all", "everything", is_flag=True, help="Also unnamed ones that nobody uses now.")
@json_option
def command(namespace: str | None, everything: bool, as_json: bool) -> int:
    """List the primitives of this user: who holds them, how many wait.

    Named ones are shown with their namespace, unnamed ones with the program that has them, and the
    line that made them if it is at the top level of a module. HELD is how long the owner has had it,
    LONGEST how long the first has waited. On a narrow terminal HELD, WHERE, LONGEST and KIND are left
    out, as far as need be. Written to a pipe it is a line for each with all of them, tabs between.

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
        out.print(table(shown, out.width))
    _say_what_is_left_out(out, len(found) - len(shown), bool(shown), namespace)
    return exits.OK


def _cells(row: Row) -> tuple[str, ...]:
    one = row.primitive
    return (
        one.kind,
        describe.called(one),
        describe.where(row.view),
        row.state,
        describe.owners(one),
        short(describe.held_for(one)),
        str(len(one.waiters)),
        short(describe.longest_wait(one)),
    )


def table(shown: list[Row], width: int) -> Table:
    """For a terminal: what has no room goes to the next line, or else some columns are left out."""
    rows = [[Text(printable(cell)) for cell in _cells(row)] for row in shown]
    wide = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    gap, columns = fitted(dict(zip(HEAD, wide, strict=True)), width)
    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for title, room in columns.items():
        right = title in ("HELD", "WAITING", "LONGEST")
        made.add_column(
            title, justify="right" if right else "left", overflow="fold", width=room, no_wrap=right
        )
    for row, cells in zip(shown, rows, strict=True):
        cells[HEAD.index("STATE")].stylize(row.style)
        if not row.primitive.waiters:
            cells[HEAD.index("WAITING")].stylize("dim")
        made.add_row(*(cells[HEAD.index(title)] for title in columns))
    return made


def fitted(wide: dict[str, int], width: int) -> tuple[int, dict[str, int]]:
    """The gap between the columns, and those for which there is room, each with its width."""
    made = {title: min(room, ENOUGH.get(title, room)) for title, room in wide.items()}
    gap = 2 if _left(width, made, 2) >= 0 else 1
    for title in LEFT_OUT:
        if _left(width, made, gap) < 0:
            del made[title]
    while _left(width, made, gap) < 0:
        widest = max(ENOUGH.keys() & made.keys(), key=made.__getitem__)
        if made[widest] <= NARROW:
            break
        made[widest] -= 1
    for title in made:
        made[title] += max(min(wide[title] - made[title], _left(width, made, gap)), 0)
    return gap, made


def _left(width: int, columns: dict[str, int], gap: int) -> int:
    return width - sum(columns.values()) - gap * (len(columns) - 1)


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
