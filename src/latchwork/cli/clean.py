"""``latchwork clean``."""

import json

import click

from latchwork.cli import exits


@click.command("clean")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def command(dry_run: bool, as_json: bool) -> int:
    """Remove what killed programs left behind.

    Every program does so when it first uses Latchwork; this does it now, and says what it removed, what
    it left, and why. It removes nothing that anybody uses, no namespace whose names still say something
    (an Event that is set, a Lock whose owner died), and nothing that is not certainly Latchwork's.

    \b
    Examples:
      latchwork clean
      latchwork clean --dry-run
    """
    from latchwork import cleaning, directory

    found = cleaning.clean(dry_run)
    users = {one.path: cleaning.users(one.path) for one in found if one.in_use}
    if as_json:
        shown = [{**one._asdict(), "users": users.get(one.path, [])} for one in found]
        freed = sum(one.size for one in found if one.removed)
        click.echo(json.dumps({"dry_run": dry_run, "freed": freed, "files": shown}, indent=2))
        return exits.OK
    for one in found:
        who = ", ".join(map(str, users.get(one.path, [])))
        verb = ("would remove" if dry_run else "removed") if one.removed else "left"
        mark = click.style(
            verb, fg="yellow" if one.is_trouble else "green" if one.removed else None
        )
        click.echo(f"{mark} {one.path}: {one.why}{f' by pid {who}' if who else ''}")
    if not found:
        click.echo(f"nothing there: {', '.join(directory.candidates())}")
    return exits.OK
