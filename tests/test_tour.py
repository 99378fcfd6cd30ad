"""`latchwork tour`: its last step, which finds and breaks a deadlock of real processes."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
# What differs from run to run: pids, times, where it is installed.
VARIES = re.compile(r"\d+\.\d s|\b\d{2,}\b|\S*/latchwork/")
STUCK = "from latchwork import tour; tour.stuck()"


def alike(line):
    return VARIES.sub("_", line.replace("python -c", "latchwork tour"))


def test_its_deadlock_is_told_and_broken_as_the_readme_shows_it(arenas, monkeypatch):
    monkeypatch.setenv("LATCHWORK_DIR", str(arenas))
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    shown = README.partition("\n6. ")[2].partition("\n```")[0].splitlines()
    assert [alike(line) for line in done.stdout.splitlines()[: len(shown)]] == [
        alike(line) for line in ("6. " + "\n".join(shown)).splitlines()
    ]


def test_the_readme_shows_each_of_its_steps():
    from latchwork import tour

    source = Path(tour.__file__).read_text()
    steps = re.findall(r"say\(f?\"(\d\. [^{\"]*)", source)
    assert len(steps) == 6
    assert all(f"\n{step}" in README for step in steps)
