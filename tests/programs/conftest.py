"""Programs that nobody here wrote, unchanged, run by ``python -m latchwork``.

With LATCHWORK_PLAIN=1 in the environment they are run by python itself: those that fail then, by hanging
or otherwise, are what Latchwork is for.
"""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

PLAIN = os.environ.get("LATCHWORK_PLAIN") == "1"
PATIENCE = 20.0 if PLAIN else 60.0


@pytest.fixture
def environment(arenas, tmp_path_factory):
    # A test runner's own way to say which worker it is would confuse the one that is under test.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # joblib leaves files there if it is not let end by itself.
    files = str(tmp_path_factory.mktemp("joblib"))
    return {
        **kept,
        "LATCHWORK_DIR": str(arenas),
        "JOBLIB_TEMP_FOLDER": files,
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def start(environment, tmp_path):
    """Start a program in a directory of its own; whatever happens, its whole session ends."""
    started = []

    def start(*arguments: str, plain: bool = PLAIN, **more) -> subprocess.Popen:
        command = [sys.executable] if plain else [sys.executable, "-m", "latchwork"]
        child = subprocess.Popen(
            [*command, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


@pytest.fixture
def program(start, tmp_path):
    """Run a script to its end; the lines it printed."""

    def program(source: str, *arguments: str, status: int = 0) -> list[str]:
        (tmp_path / "program.py").write_text(source)
        child = start("program.py", *arguments)
        out, error = child.communicate(timeout=PATIENCE)
        assert child.returncode == status, out + error
        return out.splitlines()

    return program
