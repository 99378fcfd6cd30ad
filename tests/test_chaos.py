"""Processes killed and replaced at random: the laws hold. Short here; see chaos.py and chaos_async.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LONG = 600


def laws_hold(script: str, seconds: float, arenas: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / script), "--seconds", str(seconds)],
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + 90,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not arenas.exists() or not list(arenas.iterdir())


def test_the_laws_hold_in_chaos(arenas):
    laws_hold("chaos.py", float(os.environ.get("LATCHWORK_CHAOS_SECONDS", "15")), arenas)


def test_the_laws_hold_for_a_thousand_tasks(arenas):
    laws_hold("chaos_async.py", float(os.environ.get("LATCHWORK_CHAOS_SECONDS", "12")), arenas)


def test_nobody_speaks_of_a_deadlock_where_none_can_be(arenas):
    laws_hold("chaos_deadlocks.py", float(os.environ.get("LATCHWORK_CHAOS_SECONDS", "10")), arenas)


@pytest.mark.long
@pytest.mark.timeout(LONG + 200)
def test_nobody_speaks_of_a_deadlock_for_ten_minutes(arenas):
    laws_hold("chaos_deadlocks.py", LONG, arenas)


@pytest.mark.long
@pytest.mark.timeout(LONG + 200)
def test_the_laws_hold_for_a_thousand_tasks_for_ten_minutes(arenas):
    laws_hold("chaos_async.py", LONG, arenas)
