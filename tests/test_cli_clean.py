"""`latchwork clean`: what is taken away, what stays, and why."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys

import pytest

pytest.importorskip("click")

from latchwork import _core

HOLD = """
import sys, latchwork
with latchwork.Lock(name="build", namespace="ci"):
    print(flush=True)
    sys.stdin.read()
"""
SET = "import latchwork\nlatchwork.Event(name='e', namespace='ci').set()"
LEFT = "import latchwork, os\nlatchwork.Lock()\nos.kill(os.getpid(), 9)"


@pytest.fixture
def latchwork(arenas):
    """Run the command; its status, and what it wrote."""

    def latchwork(*words):
        return subprocess.run(
            [sys.executable, "-m", "latchwork.cli", *words],
            env={**os.environ, "LATCHWORK_DIR": str(arenas)},
            capture_output=True,
            text=True,
            timeout=30,
        )

    return latchwork


@pytest.fixture
def holder(arenas):
    """A process that holds the Lock `build` of the namespace `ci`, for as long as the test lasts."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process, contextlib.closing(process.stdin):
        process.stdout.readline()
        yield process


def files(done):
    """What it said of each file."""
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["files"]
    return {os.path.basename(one["path"]): one for one in found}


def test_what_a_killed_program_left_is_removed_and_told(latchwork, run, arenas):
    assert run(LEFT, check=False).returncode == -signal.SIGKILL
    (left,) = arenas.iterdir()
    dry = latchwork("clean", "--dry-run")
    assert f"would remove {left}: nobody uses it any more" in dry.stdout
    assert left.exists()
    assert f"removed {left}: nobody uses it any more" in latchwork("clean").stdout
    assert not arenas.exists()
    assert "nothing there" in latchwork("clean").stdout
    arenas.mkdir()


def test_what_is_in_use_stays_and_by_whom_is_told(latchwork, holder, arenas):
    (one,) = files(latchwork("clean", "--json")).values()
    assert one["in_use"]
    assert not one["removed"]
    assert one["users"] == [holder.pid]
    assert f"in use by pid {holder.pid}" in latchwork("clean").stdout
    assert (arenas / "namespace-ci").exists()


def test_a_namespace_that_says_something_stays(latchwork, run, arenas):
    run(SET)
    one = files(latchwork("clean", "--json"))["namespace-ci"]
    assert one["why"] == "keeps the state of 1 named primitive"
    assert (arenas / "namespace-ci").exists()


def test_what_was_not_made_whole_is_removed(latchwork, arenas):
    (arenas / "new-1-abc").touch(0o600)
    assert files(latchwork("clean", "--json"))["new-1-abc"]["removed"]
    assert not (arenas / "new-1-abc").exists()


def test_what_is_not_certainly_an_arena_stays(latchwork, arenas):
    (arenas / "notes").write_text("mine")
    (arenas / "program-x").write_text("nothing of the kind")
    (arenas / "program-x").chmod(0o600)
    (arenas / "program-link").symlink_to(arenas / "notes")
    found = files(latchwork("clean", "--json"))
    assert not any(one["removed"] for one in found.values())
    assert not found["notes"]["is_trouble"]
    assert "not an arena" in found["program-x"]["why"]
    assert "is a link" in found["program-link"]["why"]
    assert len(list(arenas.iterdir())) == 3


@pytest.mark.parametrize("version", [_core.LAYOUT_VERSION - 1, 99], ids=["earlier", "later"])
def test_a_namespace_of_another_version_stays(latchwork, run, arenas, version):
    run(SET)
    with open(arenas / "namespace-ci", "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", version))
    one = files(latchwork("clean", "--json"))["namespace-ci"]
    assert not one["removed"]
    assert "version" in one["why"]
    assert one["is_trouble"] is (version == 99)


def test_cleaning_leaves_no_descriptor_open(arenas, monkeypatch):
    from latchwork import cleaning

    monkeypatch.setenv("LATCHWORK_DIR", str(arenas))
    for name in ("program-foreign", "namespace-old"):
        content = struct.pack("<QI", _core.MAGIC if "old" in name else 0, 99) + bytes(5000)
        (arenas / name).write_bytes(content)
        (arenas / name).chmod(0o600)
    before = os.listdir("/proc/self/fd")
    assert len(cleaning.clean(dry_run=True)) == 2
    assert os.listdir("/proc/self/fd") == before
