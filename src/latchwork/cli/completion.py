"""``latchwork completion``."""

import click
from click.shell_completion import get_completion_class

from latchwork.cli import exits
from latchwork.cli.completing import VARIABLE


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Write a script for SHELL that completes commands, options, names and pids at TAB.

    \b
    For now:
      eval "$(latchwork completion bash)"       (zsh: the same, after compinit)
      latchwork completion fish | source

    \b
    For good:
      latchwork completion bash > ~/.local/share/bash-completion/completions/latchwork
      latchwork completion zsh > ~/.zfunc/_latchwork    (with fpath+=~/.zfunc before compinit)
      latchwork completion fish > ~/.config/fish/completions/latchwork.fish
    """
    from latchwork.cli.commands import latchwork_command

    of_shell = get_completion_class(shell)
    assert of_shell is not None
    click.echo(of_shell(latchwork_command, {}, "latchwork", VARIABLE).source())
    return exits.OK
