"""``latchwork rm``."""

import dataclasses
import json

import click

from latchwork.cli import exits
from latchwork.inspect import Statistics


@click.command("rm")
@click.argument("name")
@click.option("--namespace", default="default", show_default=True, help="Where the name is.")
@click.option("-f", "--force", is_flag=True, help="Even if somebody holds it or waits for it.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def command(name: str, namespace: str, force: bool, as_json: bool) -> int:
    """Take a NAME away.

    Whatever has the name, of whatever kind it is. Those who have it open keep it and go on with it; the
    next one to ask for the name gets a new one. So it is refused, and said who it is, if somebody holds
    it or waits for it: they and the next one would not know of each other.

    Exit status: 0 if the name is gone, 1 if there was none or it is in use.

    \b
    Examples:
      latchwork rm build
      latchwork rm --namespace ci --force build
    """
    from latchwork import removing
    from latchwork.inspect import find

    users = [user for one in find(name, namespace) for user in _users(one)]
    refused = bool(users) and not force
    removed = not refused and removing.unlink(name, namespace)
    status = exits.OK if removed else exits.NO
    if as_json:
        facts = [dataclasses.asdict(one) for one in find(name, namespace)] if refused else []
        click.echo(json.dumps({"name": name, "removed": removed, "in_use": facts}, indent=2))
        return status
    if refused:
        click.echo(
            f"latchwork: {name!r} is in use, and stays (--force takes it away all the same):",
            err=True,
        )
        for user in users:
            click.echo(f"  {user}", err=True)
    elif not removed:
        click.echo(f"latchwork: there is no {name!r} in the namespace {namespace!r}", err=True)
    return status


def _users(one: Statistics) -> list[str]:
    """Who holds it, and who waits."""
    owners = [f"pid {owner.pid} ({owner.program}) holds it" for owner in one.owners]
    return owners + [f"pid {waiter.pid} ({waiter.program}) waits for it" for waiter in one.waiters]
