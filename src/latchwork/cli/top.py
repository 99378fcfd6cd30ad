"""``latchwork top``: who holds, who waits, live."""

import sys
import time

import click

from latchwork.cli import exits, facts, source
from latchwork.cli.columns import SORTS, as_cells, filtered, titles
from latchwork.cli.output import (
    console,
    json_option,
    namespace_option,
    write_columns,
    write_json,
)
from latchwork.cli.rates import Rates
from latchwork.cli.rows import Row, rows
from latchwork.inspect import graph


@click.command("top")
@namespace_option
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Look again after so many seconds.",
)
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="longest",
    show_default=True,
    help="What comes first.",
)
@click.option("--filter", "pattern", default="", metavar="TEXT", help="Only rows that contain it.")
@click.option("--once", is_flag=True, help="Look twice, write one table, and end.")
@json_option
def command(
    namespace: str | None, interval: float, sort: str, pattern: str, once: bool, as_json: bool
) -> int:
    """Show live who holds what and who waits, longest first, and what goes from hand to hand.

    RATE is how often a second it goes to another owner, or is taken anew, as far as two looks show
    it: the least that it can be. What takes part in a deadlock is red. Into a pipe, with --once or
    with --json it writes one table.

    \b
    Keys:
      l longest wait   c most waiters   h longest held   r rate   n name: what comes first
      Enter, Escape    look into one, and back
      /                filter: only rows that contain this; Escape takes it away
      a                also unnamed ones that nobody uses now
      p                pause
      q                quit

    \b
    Examples:
      latchwork top
      latchwork top --interval 0.2 --sort rate
      latchwork top --once --filter train.py
    """
    if not once and not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        from latchwork.cli.screen import Top

        return Top(namespace, interval, sort, pattern).live()
    rates = Rates()
    rates.look(source.look(namespace))
    time.sleep(interval)
    views = source.look(namespace)
    rates.look(views)
    shown = filtered(rows(views, graph(views)), pattern, everything=False)
    shown.sort(key=SORTS[sort](rates))
    if as_json:
        write_json(rows=[_facts(row, rates) for row in shown])
        return exits.OK
    out = console()
    if out.is_terminal:
        from latchwork.cli.columns import table

        out.print(table(shown, rates))
    else:
        write_columns(titles(), ([str(cell) for cell in as_cells(row, rates)] for row in shown))
    return exits.OK


def _facts(row: Row, rates: Rates) -> dict[str, object]:
    return {
        "deadlock": row.stuck,
        "rate": rates.of(row.primitive),
        "arena": row.view.path,
        **facts.of_primitive(row.primitive),
    }
