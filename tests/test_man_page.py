"""The man page is that of the commands there are, is rendered without a warning, and is installed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("click")

from latchwork.cli import exits
from latchwork.cli.commands import COMMANDS, latchwork_command

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "man" / "latchwork.1"


def rendered(*command):
    """What a formatter makes of it, and what it complains of."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(
        [*command, str(PAGE)], env=env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done


def test_it_is_up_to_date():
    make = [sys.executable, str(ROOT / "man" / "make.py"), "--check"]
    done = subprocess.run(make, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_groff_and_man_render_it_without_a_warning():
    done = rendered("groff", "-man", "-ww", "-Tutf8")
    assert not done.stderr
    if shutil.which("man"):
        assert "latchwork" in rendered("man", "-l").stdout


def test_mandoc_finds_no_error_in_it():
    assert not rendered("mandoc", "-T", "lint", "-W", "error").stdout


def test_every_command_is_in_it():
    page = PAGE.read_text()
    for name in latchwork_command.list_commands(None):
        assert re.search(rf"^\.SS {name}\b", page, re.MULTILINE), name
    assert set(latchwork_command.list_commands(None)) <= set(COMMANDS)


@pytest.mark.parametrize("where", ["man/latchwork.1", "docs/command-line.md"])
def test_every_exit_status_is_explained(where):
    text = (ROOT / where).read_text()
    for name, status in vars(exits).items():
        if name.isupper() and name != "SIGNAL":
            assert re.search(rf"^(\.B {status}|\| {status} \|)", text, re.MULTILINE), (name, status)
    assert re.search(r"128 ?\+", text)


def test_it_is_installed_where_man_finds_it():
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    assert files == {"share/man/man1": ["man/latchwork.1"]}
