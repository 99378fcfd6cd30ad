"""``latchwork latch``: scripts wait until a number of things have been done."""

import click

from latchwork.cli import exits
from latchwork.cli.words import answer, named, timeout_option
from latchwork.primitives import Latch

_latch = named(
    click.option(
        *("-c", "--count"),
        type=click.IntRange(0, 2**31 - 1),
        metavar="N",
        required=True,
        help="How often it is to be counted down in all. Everybody must say the same.",
    )
)


@click.group("latch")
def command() -> None:
    """Count the latch NAME down, or wait until it has come down to zero.

    It is the one that `latchwork.Latch(N, name=NAME)` is in Python. Nobody need make it first: the
    first to name it with --count N does. Its count is kept when nobody uses it, until `reset` or
    a restart of the machine.

    \b
    Examples:
      for part in 1 2 3; do (./part.sh $part && latchwork latch count-down parts -c 3) & done
      latchwork latch wait parts --count 3 --timeout 600 && ./merge.sh
      latchwork latch reset parts --count 3     # to begin anew

    \b
    Exit status:
      0  done; it is down to zero   124  wait: not down to zero before the timeout
                                      3  it was made with another count
    """


@command.command("count-down")
@_latch
@click.option(
    *("-b", "--by"), type=click.IntRange(1, 2**31 - 1), default=1, metavar="N", help="By so much."
)
def count_down(name: str, count: int, namespace: str | None, as_json: bool, by: int) -> int:
    """Take one away (zero stays zero), and say how much is left."""
    latch = Latch(count, name=name, namespace=namespace)
    latch.count_down(by)
    left = latch.count
    answer(as_json, str(left), name=name, count=count, left=left)
    return exits.OK


@command.command()
@_latch
def show(name: str, count: int, namespace: str | None, as_json: bool) -> int:
    """Say how much is left."""
    left = Latch(count, name=name, namespace=namespace).count
    answer(as_json, str(left), name=name, count=count, left=left)
    return exits.OK


@command.command()
@_latch
@timeout_option
def wait(name: str, count: int, namespace: str | None, as_json: bool, timeout: float | None) -> int:
    """Wait until it is down to zero."""
    latch = Latch(count, name=name, namespace=namespace)
    down = latch.wait(timeout)
    answer(as_json, None, name=name, count=count, left=0 if down else latch.count)
    return exits.OK if down else exits.TIMEOUT


@command.command()
@_latch
def reset(name: str, count: int, namespace: str | None, as_json: bool) -> int:
    """Forget it: the next one to name it gets a new one. Who waits now waits for the old one."""
    Latch(count, name=name, namespace=namespace).unlink()
    answer(as_json, None, name=name, count=count, left=count)
    return exits.OK
