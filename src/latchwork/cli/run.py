"""``latchwork run``: a command, while a lock is held."""

import errno
import os
import signal
import sys
from collections.abc import Sequence

import click

from latchwork.cli import exits
from latchwork.cli.holding import Holding, find
from latchwork.cli.minding import block, end_as, end_by, mind
from latchwork.cli.starting import start
from latchwork.cli.words import OptionsThenCommand, namespace_option, timeout_option


@click.command("run", cls=OptionsThenCommand)
@click.argument("name")
@timeout_option
@click.option("-n", "--no-wait", is_flag=True, help="Do not wait at all: if it is held, exit 1.")
@click.option("-s", "--shared", is_flag=True, help="Beside others that say --shared, too.")
@click.option(
    "--semaphore",
    type=click.IntRange(1, 2**31 - 1),
    metavar="N",
    help="Up to N at a time, first come, first served. All must say the same N.",
)
@click.option(
    *("-k", "--keep"),
    is_flag=True,
    help="Held also by what the command leaves running, until the last of that has ended.",
)
@click.option(
    *("-E", "--conflict-exit-code"),
    type=click.IntRange(0, 255),
    metavar="STATUS",
    help="The exit status if it was not had, instead of 1 and 124.",
)
@namespace_option
@click.option("-v", "--verbose", is_flag=True, help="Tell on stderr what happens.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    name: str,
    timeout: float | None,
    no_wait: bool,
    shared: bool,
    semaphore: int | None,
    keep: bool,
    conflict_exit_code: int | None,
    namespace: str | None,
    verbose: bool,
    command: Sequence[str],
) -> int:
    """Run a command while holding the lock NAME, which nobody else holds meanwhile.

    The lock is any program's of this user that says the same NAME: another `latchwork run`, or
    `latchwork.RWLock(name=NAME)` in Python (or a Lock, if Python made it one first).

    It is released when the command ends. If the command is killed, so it is, and the next one
    finds LATCHWORK_ABANDONED=1 in its environment. If `latchwork run` itself is killed, even by
    kill -9, the lock stays held until the command has ended: never do two run at a time.

    Signals are passed on; the exit status is the command's. If that dies by a signal, so does
    `latchwork run` ($? is 128 + its number).

    \b
    Examples:
      latchwork run backup -- rsync -a /home /mnt
      latchwork run deploy --no-wait -- ./deploy.sh || echo "somebody else deploys"
      latchwork run index --shared -- ./search.sh       # many of these, or one writer
      latchwork run gpu --semaphore 2 -- python train.py
      latchwork run nightly --timeout 60 --conflict-exit-code 75 -- make -j4

    \b
    Exit status, beside the command's own:
        1  held, with --no-wait          126  the command can't be run
      124  not had before the timeout    127  there is no such command
        2  wrong usage                     3  the lock can't be made or used
    """
    if no_wait and timeout is not None:
        raise click.UsageError("--no-wait and --timeout exclude each other: say one of them")
    if shared and semaphore is not None:
        raise click.UsageError("--shared and --semaphore exclude each other: say one of them")
    say = _say if verbose else _say_nothing
    held = find(name, namespace, shared=shared, permits=semaphore)
    try:
        took = held.take(not no_wait, timeout)
    except KeyboardInterrupt:
        held.leave()
        end_by(signal.SIGINT)  # as a command that had begun: a shell's loop ends by that
    if took is None:
        say(f"{held.title} is held by another")
        if conflict_exit_code is not None:
            return conflict_exit_code
        return exits.NO if no_wait else exits.TIMEOUT
    say(f"{held.title} was had after {took:.3f} s: running {command[0]}")
    return _run(command, held, keep)


def _say(text: str) -> None:
    sys.stderr.write(f"latchwork: {text}\n")


def _say_nothing(text: str) -> None:
    pass


def _run(words: Sequence[str], held: Holding, keep: bool) -> int:
    mask = block()
    try:
        started = start(words, held, keep=keep, mask=mask)
    except OSError as error:
        held.give_back()
        _say(f"no process could be started for {words[0]!r}: {error.strerror}")
        return exits.ERROR
    status = mind(started.pid)
    if started.kept is not None:
        os.close(started.kept)
    if started.error is not None:
        held.give_back()
        _say(f"cannot run {words[0]!r}: {started.error.strerror}")
        return exits.NOT_FOUND if started.error.errno == errno.ENOENT else exits.CANNOT_RUN
    if os.WIFSIGNALED(status):
        # What it guards may be half done: the next holder is told, as of any death, and at once.
        if not held.is_inherited:
            held.arena.bequeath(0)
        end_as(status)
    if held.is_inherited:
        sys.stdout.flush()
        os._exit(os.WEXITSTATUS(status))  # not by way of releases: others hold it now
    held.give_back()
    return os.WEXITSTATUS(status)
