"""What is left behind by a wait that was given up, and which line is told of."""

import os
import subprocess
import sys
import warnings

import pytest
from deadlock_scenes import QUICK, close, notified_too_late, record

import latchwork
from latchwork import DeadlockError, DeadlockWarning

KINDS = {
    "Lock": (latchwork.Lock, "acquire", "release"),
    "RLock": (latchwork.RLock, "acquire", "release"),
    "BoundedSemaphore": (latchwork.BoundedSemaphore, "acquire", "release"),
    "read": (latchwork.RWLock, "acquire_read", "release_read"),
    "write": (latchwork.RWLock, "acquire_write", "release_write"),
}


@pytest.mark.parametrize("way", KINDS)
def test_who_gets_the_error_has_nothing_new(scene, quick, way):
    """It neither holds nor waits, and whoever comes next is served as if it had never come."""
    quick(deadlock="raise-probable")
    kind, acquire, release = KINDS[way]
    wanted, own = kind(), latchwork.RLock()
    holds, gives_up, after = scene.party(), scene.party(), scene.party()
    has = ("acquire_write", "release_write") if way == "read" else (acquire, release)
    assert holds.does(wanted, has[0]).result
    assert gives_up.does(own, "acquire").result
    holds.begins(own, "acquire")
    gives_up.begins(wanted, acquire)
    assert gives_up.says().result is DeadlockError
    facts = wanted.statistics()
    assert [owner.pid for owner in facts.owners] == [holds.pid]
    assert not facts.waiters
    after.begins(wanted, acquire)
    assert gives_up.does(own, "release").result is None
    assert holds.says().result is True
    assert holds.does(wanted, has[1]).result is None
    got = after.says()
    assert got.result is True
    assert not got.abandoned
    assert after.does(wanted, release).result is None
    assert not wanted.statistics().owners


def strict(path):
    record(path)
    warnings.simplefilter("error", DeadlockWarning)


def test_where_warnings_are_errors_the_wait_ends_with_one(scene, quick):
    locks = [latchwork.Lock(), latchwork.Lock()]
    parties = [scene.party(), scene.party(strict)]
    close(scene, parties, locks)
    assert parties[1].says().result is DeadlockWarning
    assert [owner.pid for owner in locks[0].statistics().owners] == [parties[0].pid]
    assert parties[1].does(locks[1], "release").result is None
    assert parties[0].says().result is True


def test_a_condition_can_not_end_with_a_warning_and_another_one_does(scene, quick):
    waits, notifies = scene.party(strict), scene.party(strict)
    condition = notified_too_late(waits, notifies)
    assert notifies.says().result is DeadlockWarning
    assert notifies.does(condition, "release").result is None
    assert waits.says().result is True


def with_it(lock):
    with lock:
        pass


def acquired(lock):
    lock.acquire()
    lock.release()


def awaited(lock):
    condition = latchwork.Condition(lock)
    with condition:
        condition.wait_for(bool, QUICK)


@pytest.mark.parametrize("wait", [with_it, acquired, awaited])
def test_the_line_is_the_one_that_waits(quick, monkeypatch, wait):
    """And neither one of Latchwork's own, nor the one that called."""
    lock, told = latchwork.Lock(), []

    def show(message, category, filename, lineno, file=None, line=None):
        told.append((filename, lineno, str(message)))
        lock.release()  # which lets the wait go on

    with warnings.catch_warnings():
        warnings.simplefilter("always", DeadlockWarning)
        monkeypatch.setattr(warnings, "showwarning", show)
        with lock:
            wait(lock)
            lock.acquire()
    ((file, line, text),) = told
    assert file == __file__
    first = wait.__code__.co_firstlineno
    assert line == first + (2 if wait is awaited else 1)
    assert f"{__file__}:{line} in {wait.__name__}" in text


def test_an_option_of_the_interpreter_makes_it_an_error(tmp_path):
    script = tmp_path / "own.py"
    script.write_text("import latchwork\nlock = latchwork.Lock()\nlock.acquire()\nlock.acquire()\n")
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(script)],
        env={**os.environ, "LATCHWORK_LOOK_AFTER": "0.1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f'File "{script}", line 4, in <module>' in done.stderr
    assert "DeadlockWarning: Probable deadlock: a thread waits for what only its own" in done.stderr
    assert "latchwork/" not in done.stderr.partition("DeadlockWarning")[0]
