"""``latchwork barrier``: scripts wait for each other."""

import time

import click

from latchwork.cli import exits
from latchwork.cli.words import answer, named, timeout_option
from latchwork.errors import BrokenBarrierError
from latchwork.primitives import Barrier

_barrier = named(
    click.option(
        *("-p", "--parties"),
        type=click.IntRange(1, 2**31 - 1),
        metavar="N",
        required=True,
        help="How many it takes. Everybody must say the same.",
    )
)


@click.group("barrier")
def command() -> None:
    """Wait at the barrier NAME until N are there; all go on together.

    It is the one that `latchwork.Barrier(N, name=NAME)` is in Python. One that is killed while it
    waits breaks the barrier for all: they need not wait for it for ever. It stays broken until
    `reset`.

    \b
    Examples:
      latchwork barrier wait loaded --parties 3 --timeout 60 || exit
      [ "$(latchwork barrier wait loaded --parties 3)" = 0 ] && echo "one of the three says this"
      latchwork barrier reset loaded --parties 3

    \b
    Exit status:
      0  all were there            6  it is or was broken: somebody was killed in it, had no more
                                      time, or said abort or reset
    124  not all before the timeout, which breaks it for the others
      3  it was made with other parties
    """


@command.command()
@_barrier
@timeout_option
def wait(
    name: str, parties: int, namespace: str | None, as_json: bool, timeout: float | None
) -> int:
    """Wait for the others, and say which one this was: 0 to N - 1, that came last."""
    barrier = Barrier(parties, name=name, namespace=namespace)
    end = None if timeout is None else time.monotonic() + timeout
    try:
        index = barrier.wait(timeout)
    except BrokenBarrierError:
        late = end is not None and time.monotonic() >= end
        answer(as_json, None, name=name, parties=parties, index=None, broken=True, timeout=late)
        if not as_json:
            why = "not all came before the timeout" if late else "it is broken"
            click.echo(f"latchwork: barrier {name!r}: {why}", err=True)
        return exits.TIMEOUT if late else exits.BROKEN
    answer(as_json, str(index), name=name, parties=parties, index=index, broken=False)
    return exits.OK


@command.command()
@_barrier
def show(name: str, parties: int, namespace: str | None, as_json: bool) -> int:
    """Say how many wait, or that it is broken (exit 6)."""
    barrier = Barrier(parties, name=name, namespace=namespace)
    broken, waiting = barrier.broken, barrier.n_waiting
    text = "broken" if broken else str(waiting)
    answer(as_json, text, name=name, parties=parties, waiting=waiting, broken=broken)
    return exits.BROKEN if broken else exits.OK


@command.command()
@_barrier
def abort(name: str, parties: int, namespace: str | None, as_json: bool) -> int:
    """Break it: for all that wait, and all that come before `reset`."""
    Barrier(parties, name=name, namespace=namespace).abort()
    answer(as_json, None, name=name, parties=parties, broken=True)
    return exits.OK


@command.command()
@_barrier
def reset(name: str, parties: int, namespace: str | None, as_json: bool) -> int:
    """Make it as new; those that wait are told that it was broken."""
    Barrier(parties, name=name, namespace=namespace).reset()
    answer(as_json, None, name=name, parties=parties, broken=False)
    return exits.OK
