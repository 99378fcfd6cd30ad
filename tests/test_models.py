"""The words' protocols, checked by spin in all that may go wrong."""

import shutil
import subprocess
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parent.parent / "models"


@pytest.mark.timeout(600)
@pytest.mark.skipif(not shutil.which("spin"), reason="spin is not installed: apt-get install spin")
def test_no_model_finds_a_lost_wake_up_or_two_inside():
    done = subprocess.run([str(MODELS / "check.sh")], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
