"""``latchwork doctor``."""

import dataclasses
import json

import click

from latchwork.cli import exits
from latchwork.doctor.finding import Finding

MARKS = {"fine": ("✓", "green"), "note": ("!", "yellow"), "wrong": ("✗", "bold red")}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out what is fine.")
def command(as_json: bool, quiet: bool) -> int:
    """Say what is fine here, what is not, and what to do.

    Looks at the kernel, the clocks, the directory of the arenas, limits, containers, what killed programs
    left, this Python and the installation, by trying things out where that can be done. Changes nothing.

    Exit status: 0 if nothing is wrong (there may be notes), 1 if something is.

    \b
    Examples:
      latchwork doctor
      latchwork doctor --json | jq '.findings[] | select(.level != "fine")'
    """
    from latchwork import doctor

    findings = list(doctor.examine())
    well = doctor.is_well(findings)
    status = exits.OK if well else exits.NO
    if as_json:
        shown = [dataclasses.asdict(finding) for finding in findings]
        click.echo(json.dumps({"well": well, "findings": shown}, indent=2))
        return status
    _show([finding for finding in findings if finding.level != "fine" or not quiet])
    counts = {level: sum(finding.level == level for finding in findings) for level in MARKS}
    click.echo(f"{counts['fine']} fine, {counts['note']} to note, {counts['wrong']} wrong")
    return status


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        for finding in findings:
            click.echo(f"{MARKS[finding.level][0]} {finding.topic}: {finding.says}")
            if finding.do:
                click.echo(f"  → {finding.do}")
        return
    table = Table.grid(padding=(0, 1))
    for finding in findings:
        mark, style = MARKS[finding.level]
        said = Text(finding.says)
        if finding.do:
            said.append("\n→ " + finding.do, style="dim" if finding.level == "note" else "bold")
        table.add_row(Text(mark, style), Text(finding.topic, "bold"), said)
    console.print(table)
