"""``latchwork trace``."""

import json
import os
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from latchwork.cli import exits
from latchwork.profiling import merging, recording, table, trace
from latchwork.profiling.merging import Profile

EXAMPLES = """
\b
Examples:
  LATCHWORK_PROFILE=/tmp/p python train.py   record a program, and all its processes
  latchwork trace /tmp/p -o trace.json       then open it at https://ui.perfetto.dev
  latchwork trace --summary                  of what runs now with LATCHWORK_PROFILE=1
"""


@click.command("trace", epilog=EXAMPLES)
@click.argument("directory", required=False, type=click.Path(exists=True, file_okay=False))
@click.option(
    *("--output", "-o"),
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    help="Where to write the trace; - is standard output.",
)
@click.option("--summary", is_flag=True, help="Show the table of what was waited for and held.")
@click.option("--json", "as_json", is_flag=True, help="The table as JSON, whole; times in seconds.")
@click.option("--lines", default=40, show_default=True, help="So many lines of it at most.")
def command(
    directory: str | None, output: str | None, summary: bool, as_json: bool, lines: int
) -> int:
    """Make a trace of a program that was recorded, for Perfetto or chrome://tracing.

    DIRECTORY is what LATCHWORK_PROFILE was set to, of which the last run is taken, or one run in there.
    Without it: the last program of this user that records into a temporary one. The program may be
    running, or have been killed.

    Without -o the table is shown.
    """
    found = _find(directory)
    if found is None:
        click.echo("latchwork: no program records: set LATCHWORK_PROFILE=1 for one", err=True)
        return exits.NO
    profile = merging.load(found)
    if output is not None:
        trace.write(profile, "/dev/stdout" if output == "-" else output)
        _say(profile, output)
    if as_json:
        click.echo(_json(profile), err=output == "-")
    elif summary or output is None:
        _show(profile, lines, to_stderr=output == "-")
    return exits.OK


def _json(profile: Profile) -> str:
    told = {
        "program": profile.program,
        "directory": profile.directory,
        "processes": len(profile.journals),
        "events": profile.events,
        "dropped": profile.dropped,
        "lines": [asdict(line) for line in profile.lines],
    }
    return json.dumps(told, indent=2)


def _find(directory: str | None) -> str | None:
    if directory is not None:
        return merging.newest(directory)
    found = [path for path in recording.leftovers() if merging.has_journals(path)]
    return found[-1] if found else None


def _say(profile: Profile, output: str) -> None:
    where = "" if output == "-" else f" in {os.fspath(output)}"
    processes = len(profile.journals)
    click.echo(f"{profile.events:,} events of {processes} processes{where}", err=True)
    for remark in table.remarks(profile, len(profile.lines)):
        click.echo(remark, err=True)


def _show(profile: Profile, most: int, *, to_stderr: bool) -> None:
    console = Console(file=sys.stderr if to_stderr else sys.stdout)
    if not console.is_terminal:
        console.file.write(table.summary(profile, most) + "\n")
        return
    shown = Table(title=Text(table.title(profile)), title_justify="left", header_style="bold")
    for i, name in enumerate(table.HEADER):
        left = i in table.LEFT
        shown.add_column(name, justify="left" if left else "right", no_wrap=not left)
    for line in profile.lines[:most]:
        style = "red" if line.share > 0.5 else "yellow" if line.share > 0.2 else ""
        shown.add_row(*map(Text, table.cells(line)), style=style)
    console.print(shown)
    for remark in table.remarks(profile, min(most, len(profile.lines))):
        console.print(Text(remark))
