"""TAB at the prompt of real shells: commands and options."""

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("click")
pytest.importorskip("pexpect")

import pexpect

PATIENCE = 30
# Says what it was called with, so that what TAB made of a line is seen after Enter; else, the real one.
COMMAND = """\
#!/bin/sh
if [ -z "$_LATCHWORK_COMPLETE" ] && [ "$1" != completion ]; then
    for word; do printf '<%s>' "$word"; done
    echo ' was run'
    exit
fi
exec {python} -m latchwork.cli "$@"
"""
SHELLS = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        ["PS1='rea''dy> '", 'eval "$(latchwork completion bash)"'],
    ),
    "zsh": (
        ["-f", "-i"],
        [
            "autoload -Uz compinit && compinit -u -D",
            'eval "$(latchwork completion zsh)"',
            "PS1='rea''dy> '",
        ],
    ),
    "fish": (
        ["--no-config", "--private"],
        ["latchwork completion fish | source", "function fish_prompt; printf 'rea%s' 'dy> '; end"],
    ),
}


@pytest.fixture
def environment(arenas, tmp_path):
    """Where `latchwork` is a command."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "latchwork"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    return {
        **os.environ,
        "LATCHWORK_DIR": str(arenas),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "TERM": "xterm",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture(params=list(SHELLS))
def shell(request, environment):
    """A shell at its prompt, that has been told how to complete."""
    arguments, lines = SHELLS[request.param]
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    child = pexpect.spawn(
        request.param,
        arguments,
        env=environment,
        timeout=PATIENCE,
        encoding="utf-8",
        dimensions=(40, 120),
    )
    for line in lines:
        child.sendline(line)
    child.expect("ready> ")
    child.shell = request.param
    yield child
    child.close(force=True)


def becomes(shell, line, *words):
    """What is run after TAB and Enter."""
    shell.send(f"{line}\t")
    shell.send("\r")
    shell.expect_exact("".join(f"<{word}>" for word in words) + " was run")


def test_commands_and_options(shell):
    becomes(shell, "latchwork doc", "doctor")
    becomes(shell, "latchwork doctor --js", "doctor", "--json")


def test_an_unknown_shell_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "latchwork.cli", "completion", "tcsh"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "tcsh" in done.stderr


def test_the_help_says_where_to_put_it():
    done = subprocess.run(
        [sys.executable, "-m", "latchwork.cli", "completion", "--help"],
        capture_output=True,
        text=True,
    )
    for name in SHELLS:
        assert f"latchwork completion {name}" in done.stdout
