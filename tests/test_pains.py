"""The faults that users of multiprocessing suffer from, as scripts of their own, where at hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PAINS = os.environ.get("LATCHWORK_PAINS")
OURS = sorted(path.name[:2] for path in Path(PAINS or "").glob("[0-9][0-9]_*.py")) if PAINS else []


@pytest.mark.skipif(not PAINS, reason="LATCHWORK_PAINS names no directory of reproducers")
@pytest.mark.parametrize(("number", "plain"), [*((number, "") for number in OURS), ("10", "1")])
def test_it_is_cured(number, plain, tmp_path):
    (script,) = Path(PAINS or "").glob(f"{number}_*.py")
    environment = {**os.environ, "PRIMITIVES": "latchwork", "PLAIN": plain}
    if number == "19":
        # It looks for leftovers in /dev/shm itself.
        environment["LATCHWORK_DIR"] = str(tmp_path / "arenas")
    if number == "24":
        del environment["LATCHWORK_DIR"]
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.stdout.strip().rpartition("\n")[2].startswith("PASS"), done.stdout + done.stderr
