"""pytest-xdist: test workers that take turns under a named lock."""

import re

import pytest

pytest.importorskip(
    "xdist", reason="pytest-xdist is not installed: pip install latchwork[programs]"
)

# The workers are started by execnet, not by multiprocessing: what they have in common is the name.
TESTS = """
import os, pathlib, pytest, latchwork

lock = latchwork.Lock(name="database")
log = pathlib.Path(__file__).with_name("log")

@pytest.mark.parametrize("number", range(40))
def test_alone(number):
    with lock:
        before = log.read_text() if log.exists() else ""
        log.write_text(before + f"{os.environ['PYTEST_XDIST_WORKER']}\\n")

def test_killed():
    lock.acquire()
    os.kill(os.getpid(), 9)
"""


def test_workers_take_turns_and_one_that_is_killed_hangs_nobody(start, tmp_path):
    (tmp_path / "test_database.py").write_text(TESTS)
    session = start("-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "--rootdir", ".", ".")
    out, error = session.communicate(timeout=100)
    assert re.search(r"1 failed, 40 passed", out), out + error
    assert re.search(r"worker 'gw\d' crashed while running 'test_database.py::test_killed'", out)
    assert len((tmp_path / "log").read_text().split()) == 40
