"""docs/asyncio.md: each program in it runs, is silent on stderr, and prints what is shown under it."""

import ast
import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "asyncio.md").read_text()
EXAMPLE = (ROOT / "examples" / "one_scheduler.py").read_text()
PATIENCE = 30.0

FENCED = r"```{}\n(.*?)```\n"
PROGRAM = re.compile(FENCED.format("python") + rf"(?:\n{FENCED.format('')})?", re.DOTALL)


def programs():
    """Each with what it shall print, named after the heading it stands under."""
    for found in PROGRAM.finditer(PAGE):
        heading = PAGE[: found.start()].rpartition("\n#")[2].partition("\n")[0].strip("# ")
        yield pytest.param(found[1], found[2] or "", id=heading)


def test_no_program_is_overlooked():
    assert PAGE.count("```") == 2 * sum(1 + bool(found[2]) for found in PROGRAM.finditer(PAGE))


@pytest.mark.parametrize(("source", "shown"), list(programs()))
def test_it_runs_and_prints_what_is_shown(source, shown, arenas, tmp_path):
    for module in ("trio", "anyio"):
        if f"import {module}\n" in source and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install latchwork[test]")
    (tmp_path / "program.py").write_text(source)
    child = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = child.communicate(timeout=PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    assert (out, errors, child.returncode) == (shown, "", 0)


def functions(source):
    return {
        node.name: ast.dump(node)
        for node in ast.parse(source).body
        if isinstance(node, ast.AsyncFunctionDef)
    }


def test_the_recipe_for_web_servers_is_the_example_that_is_tested():
    (recipe,) = (source for source, _ in PROGRAM.findall(PAGE) if "def lifespan" in source)
    shown, tested = functions(recipe), functions(EXAMPLE)
    for name in ("lead", "lifespan"):
        assert shown[name] == tested[name]
