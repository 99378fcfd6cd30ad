"""``latchwork event``: a flag that scripts and programs set and wait for."""

import click

from latchwork.cli import exits
from latchwork.cli.words import answer, for_people, named, timeout_option
from latchwork.primitives import Event


@click.group("event")
def command() -> None:
    """Set, clear, test or wait for the event NAME.

    It is the one that `latchwork.Event(name=NAME)` is in Python. An event that is set stays set
    when nobody uses it any more, until it is cleared or the machine restarts.

    \b
    Examples:
      ./migrate.sh && latchwork event set migrated
      latchwork event wait migrated --timeout 60 && ./serve.sh
      if latchwork event is-set maintenance; then exit 0; fi

    \b
    Exit status:
      0  done; it is set          1  is-set: it is not set
                                124  wait: not set before the timeout
    """


@command.command("set")
@named()
def set_(name: str, namespace: str | None, as_json: bool) -> int:
    """Set it: all that wait go on, and nobody waits until it is cleared."""
    Event(name=name, namespace=namespace).set()
    answer(as_json, None, name=name, set=True)
    return exits.OK


@command.command()
@named()
def clear(name: str, namespace: str | None, as_json: bool) -> int:
    """Clear it: who comes from now on waits."""
    Event(name=name, namespace=namespace).clear()
    answer(as_json, None, name=name, set=False)
    return exits.OK


@command.command("is-set")
@named()
def is_set(name: str, namespace: str | None, as_json: bool) -> int:
    """Exit 0 if it is set, 1 if not; at a terminal, say so."""
    found = Event(name=name, namespace=namespace).is_set()
    answer(as_json, for_people("set" if found else "not set"), name=name, set=found)
    return exits.OK if found else exits.NO


@command.command()
@named(timeout_option)
def wait(name: str, timeout: float | None, namespace: str | None, as_json: bool) -> int:
    """Wait until it is set, be it for a moment only."""
    found = Event(name=name, namespace=namespace).wait(timeout)
    answer(as_json, None, name=name, set=found)
    return exits.OK if found else exits.TIMEOUT
