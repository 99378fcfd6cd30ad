"""``latchwork rm``."""

import click

from latchwork.cli import describe, exits, facts, source
from latchwork.cli.output import printable
from latchwork.cli.words import answer, named
from latchwork.inspect import Statistics
from latchwork.primitives._primitive import DEFAULT_NAMESPACE


@click.command("rm")
@named(click.option("-f", "--force", is_flag=True, help="Even if somebody has it or waits for it."))
def command(name: str, force: bool, namespace: str | None, as_json: bool) -> int:
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

    where = DEFAULT_NAMESPACE if namespace is None else namespace
    used = [] if force else _used(name, where)
    removed = not used and removing.unlink(name, where)
    answer(
        as_json, None, name=name, removed=removed, in_use=[facts.of_primitive(one) for one in used]
    )
    if used and not as_json:
        shown = f"{printable(name)!r} is in use, and stays (--force takes it away all the same):"
        click.echo(f"latchwork: {shown}", err=True)
        for user in _users(used):
            click.echo(f"  {user}", err=True)
    elif not removed and not as_json:
        shown = f"there is no {printable(name)!r} in the namespace {printable(where)!r}"
        click.echo(f"latchwork: {shown}", err=True)
    return exits.OK if removed else exits.NO


def _used(name: str, namespace: str) -> list[Statistics]:
    """Those of that name, or of a Condition of that name, that somebody holds or waits for."""
    return [
        one
        for view in source.look(namespace)
        for one in view.primitives
        if name in (one.name, one.lock_of) and (one.owners or one.waiters)
    ]


def _users(used: list[Statistics]) -> list[str]:
    owners = [(owner, "holds it") for one in used for owner in one.owners]
    waiters = [(waiter, "waits for it") for one in used for waiter in one.waiters]
    return [f"{describe.process(who.pid, who.program)} {does}" for who, does in owners + waiters]
