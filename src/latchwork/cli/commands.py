"""The group of all commands: each is a module of its own, imported when it is called."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import latchwork
from latchwork.cli import exits
from latchwork.errors import LatchworkError

# In the order in which help shows them.
COMMANDS = {
    "tour": "latchwork.cli.tour",
    "run": "latchwork.cli.run",
    "event": "latchwork.cli.event",
    "latch": "latchwork.cli.latch",
    "barrier": "latchwork.cli.barrier",
    "ls": "latchwork.cli.ls",
    "show": "latchwork.cli.show",
    "top": "latchwork.cli.top",
    "graph": "latchwork.cli.graph",
    "explain": "latchwork.cli.explain",
    "rm": "latchwork.cli.rm",
    "clean": "latchwork.cli.clean",
    "doctor": "latchwork.cli.doctor",
    "bench": "latchwork.cli.bench",
    "trace": "latchwork.cli.trace",
    "completion": "latchwork.cli.completion",
}


class Commands(click.Group):
    """Imports a command when it is called: `latchwork run` is to start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Its module's ``command``."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = importlib.import_module(COMMANDS[cmd_name]).command
        assert isinstance(command, click.Command)
        if "_LATCHWORK_COMPLETE" in os.environ:  # a shell asks
            from latchwork.cli import completing

            completing.teach(command)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(latchwork.__version__, prog_name="latchwork", message="%(prog)s %(version)s")
def latchwork_command() -> None:
    """Locks and events between processes that outlive the death of any of them."""


def run(words: Sequence[str]) -> int:
    """Run one; the exit status. Errors of Latchwork and of the system are told in one line."""
    try:
        status = latchwork_command.main(list(words), prog_name="latchwork", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort:
        return exits.SIGNAL + 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (LatchworkError, OSError) as error:
        sys.stderr.write(f"latchwork: {error}\n")
        return exits.ERROR
    return status if isinstance(status, int) else exits.OK
