"""CPython's own tests of multiprocessing and of threads' primitives, on Latchwork's."""

import contextlib
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from actors import METHODS

RUNNER = Path(__file__).resolve().parent / "cpython" / "run.py"
NO_TESTS = 77


def run(*arguments):
    """Run the runner; whatever becomes of it, nothing it started is left."""
    runner = subprocess.Popen(
        [sys.executable, str(RUNNER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = runner.communicate(timeout=240)
    except BaseException:
        runner.terminate()  # it cleans up
        with contextlib.suppress(subprocess.TimeoutExpired):
            runner.communicate(timeout=15)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
    if runner.returncode == NO_TESTS:
        pytest.skip(printed.strip())
    for line in printed.splitlines():
        if line.startswith("STALE"):
            warnings.warn(line, stacklevel=1)
    assert runner.returncode == 0, printed
    assert " 0 failed" in printed
    assert "=== " in printed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["WithProcesses", "WithManager", "Test"])
@pytest.mark.parametrize("method", METHODS)
def test_in_processes(method, part):
    run("--method", method, f"{method}.{part}")


@pytest.mark.timeout(300)
def test_in_threads():
    run("--method", "threads")
