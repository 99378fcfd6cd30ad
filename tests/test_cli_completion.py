"""TAB at the prompt of real shells: commands, options, names, pids."""

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("click")
pytest.importorskip("pexpect")

import pexpect
import views_by_hand as hand
from click.shell_completion import ShellComplete

from latchwork.cli import completing, source
from latchwork.cli.commands import latchwork_command

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
HOLD = """
import sys, latchwork
held = [latchwork.Lock(name="build-wheels"), latchwork.Event(name="my event's")]
held.append(latchwork.Lock(name="deploy", namespace="continuous"))
print(flush=True)
sys.stdin.read()
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


@pytest.fixture
def held(environment):
    """Names that there are, and the process that has them."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        process.stdout.readline()
        yield process
        process.stdin.close()


def becomes(shell, line, *words):
    """What is run after TAB and Enter."""
    shell.send(f"{line}\t")
    shell.send("\r")
    shell.expect_exact("".join(f"<{word}>" for word in words) + " was run")


def test_commands_and_options(shell):
    becomes(shell, "latchwork doc", "doctor")
    becomes(shell, "latchwork doctor --js", "doctor", "--json")


def test_names_that_there_are(shell, held):
    becomes(shell, "latchwork rm bui", "rm", "build-wheels")
    becomes(shell, "latchwork rm --namespace cont", "rm", "--namespace", "continuous")
    becomes(
        shell, "latchwork rm --namespace continuous d", "rm", "--namespace", "continuous", "deploy"
    )
    becomes(shell, "latchwork rm my", "rm", "my event's")


def test_what_is_not_there_or_broken_is_no_matter_at_the_prompt(shell, arenas):
    becomes(shell, "latchwork rm bui", "rm", "bui")
    (arenas / "namespace-default").write_text("nothing of the kind")
    becomes(shell, "latchwork rm bui", "rm", "bui")


def test_pids_are_those_of_who_uses_latchwork(held, environment, monkeypatch):
    monkeypatch.setenv("LATCHWORK_DIR", environment["LATCHWORK_DIR"])
    assert str(held.pid) in offered("explain")
    assert offered("explain", incomplete="x") == []


def offered(*words, incomplete="", shell="zsh"):
    """What a shell that asks is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(completing.VARIABLE, f"{shell}_complete")
        asked = ShellComplete(latchwork_command, {}, "latchwork", completing.VARIABLE)
        return [item.value for item in asked.get_completions(list(words), incomplete)]


@pytest.fixture
def seen(monkeypatch):
    """Views made by hand: two namespaces, and a program."""
    views = [
        hand.view(*(hand.primitive("Lock", name, id=name) for name in ("build", "my lock"))),
        hand.view(hand.primitive("Event", "deploy", id="d"), namespace="ci"),
        hand.view(namespace=None, program="train.py", root=4242),
    ]

    def look(namespace=None):
        return [one for one in views if namespace in (None, one.namespace)]

    monkeypatch.setattr(source, "look", look)


@pytest.mark.parametrize(
    "words",
    [("rm",), ("rm", "--force"), ("show",), ("run",), ("run", "--shared"), ("event", "wait")],
)
def test_every_name_is_offered_that_is_there(seen, words):
    assert offered(*words) == ["build", "my lock"]
    assert offered(*words, incomplete="b") == ["build"]
    assert offered(*words, "--namespace", "ci") == ["deploy"]
    assert offered(*words, "--namespace") == ["ci", "default"]


def test_names_are_quoted_for_the_one_shell_that_does_not(seen):
    assert offered("rm", incomplete="my") == ["my lock"]
    assert offered("rm", incomplete="my", shell="bash") == [r"my\\ lock"]


def test_the_command_of_run_and_a_choice_are_no_names(seen):
    assert "build" not in offered("run", "x", "--")
    assert offered("top", "--sort", incomplete="n") == ["name"]


def test_pids_are_offered_to_explain(seen):
    assert offered("explain") == ["4242"]
    assert offered("explain", incomplete="5") == []


def test_nothing_is_offered_where_looking_fails(monkeypatch):
    def look(namespace=None):
        raise OSError

    monkeypatch.setattr(source, "look", look)
    assert offered("rm") == []


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
