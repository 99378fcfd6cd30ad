"""Processes of random roles killed and replaced at random: the laws hold. Short here; see chaos.py."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_laws_hold_in_chaos():
    seconds = os.environ.get("LATCHWORK_CHAOS_SECONDS", "15")
    script = Path(__file__).parent / "chaos.py"
    done = subprocess.run(
        [sys.executable, str(script), "--seconds", seconds],
        capture_output=True,
        text=True,
        timeout=float(seconds) + 90,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
