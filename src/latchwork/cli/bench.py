"""``latchwork bench``."""

import json
import sys

import click

from latchwork.cli import exits


@click.command("bench")
@click.option("--quick", is_flag=True, help="Fewer repeats: some seconds, and rough figures.")
@click.option(
    "--json", "as_json", is_flag=True, help="Write one JSON object; times are in seconds."
)
def command(quick: bool, as_json: bool) -> int:
    """Measure Latchwork beside multiprocessing on this machine.

    Takes under half a minute on an idle machine. Medians; the rivals take turns, so that whatever else
    the machine does meets both. (In JSON, null stands for what never came to an end, or has no rival.)

    Exit status: 0 if all could be measured, 1 if something failed.

    \b
    Examples:
      latchwork bench --quick
      latchwork bench --json > today.json
    """
    from latchwork.bench import BRIEF, PARTS, USUAL, measure
    from latchwork.bench.table import machine, show

    rows = []
    for row in measure(PARTS, BRIEF if quick else USUAL):
        rows.append(row)
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{row.operation}", err=True, nl=False)
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
    failed = [row.operation for row in rows if row.ours == "failed"]
    if as_json:
        measured = [
            {
                "operation": row.operation,
                "multiprocessing": row.numbers[0],
                "latchwork": row.numbers[1],
                "unit": row.unit,
            }
            for row in rows
            if row.ours != "failed"
        ]
        shown = {"machine": machine().splitlines(), "rows": measured, "failed": failed}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo(f"{machine()}\n\n{show(rows, columns=4)}")
    return exits.NO if failed else exits.OK
