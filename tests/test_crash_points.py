"""Killed at any instruction: every place where a death leaves something half done."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from crash_driver import SCENES, point_of

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "src" / "latchwork" / "_native"
SOURCES = sorted(NATIVE.glob("*.[ch]"))
DEFINED_IN = "lw_crash.h"


def drive(crash_build, arenas, *args):
    environment = {
        **os.environ,
        "PYTHONPATH": str(crash_build),
        "LATCHWORK_DIR": str(arenas),
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "tests" / "crash_driver.py"), *args],
        env=environment,
        cwd=arenas,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_the_living_go_on_after_a_kill_at(scene, crash_build, arenas):
    done = drive(crash_build, arenas, scene)
    assert done.stdout.strip() == "survived", done.stdout + done.stderr


def test_every_mark_is_a_point_and_has_a_scene():
    listed = re.findall(r"^\s+X\((\w+)\)", (NATIVE / "lw_crash.h").read_text(), re.MULTILINE)
    marked = [
        point
        for source in SOURCES
        if source.name != DEFINED_IN
        for point in re.findall(r"LW_CRASH\((\w+)\)", source.read_text())
    ]
    assert sorted(listed) == sorted({point_of(scene) for scene in SCENES})
    assert sorted(set(marked)) == sorted(listed)


def test_every_mark_says_what_a_death_there_leaves():
    for source in SOURCES:
        if source.name == DEFINED_IN:
            continue
        lines = source.read_text().splitlines()
        for number, line in enumerate(lines):
            if "LW_CRASH(" in line:
                around = "\n".join(lines[max(0, number - 3) : number + 2])
                assert "CRASH:" in around, f"{source.name}:{number + 1}"
