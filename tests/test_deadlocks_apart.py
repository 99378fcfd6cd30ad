"""Deadlocks across arenas, namespaces and programs; and what only looks like one from afar."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid

import pytest
from cli_scene import LATCHWORK
from deadlock_scenes import QUICK, UNHURRIED, close
from remote import until

import latchwork
import latchwork.inspect

SHARED = """
import sys
import latchwork

latchwork.configure(look_after=60)  # not to be first
first, second = (latchwork.RLock(name=name) for name in sys.argv[1:3])
own, ready = latchwork.RLock(), latchwork.Event()


def behind():
    with own:
        ready.set()
        with second:
            pass


if __name__ == "__main__":
    child = latchwork.get_context("fork").Process(target=behind, daemon=True)
    with first:
        child.start()
        ready.wait()
        print(child.pid, flush=True)
        with own:
            pass
"""
LONE = f"""
import os, sys, warnings
import latchwork

latchwork.configure(look_after={QUICK})
warnings.simplefilter("error", latchwork.DeadlockWarning)
assert os.getpid() == 1
lock = latchwork.Lock(name=sys.argv[1])
with lock:
    print("has it", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def names():
    """Of this test only."""
    return [f"apart-{number}-{uuid.uuid4().hex[:8]}" for number in range(2)]


@pytest.fixture
def started():
    """Start a program with what is printed in a pipe; it is gone afterwards."""
    with contextlib.ExitStack() as stack:

        def start(*command):
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(end, process)
            return process

        yield start


def end(process):
    """With all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def waiters(lock):
    return [waiter.pid for waiter in lock.statistics().waiters]


def all_waiters():
    primitives = [one for view in latchwork.inspect.views() for one in view.primitives]
    return {waiter.pid for one in primitives for waiter in one.waiters}


def test_a_circle_through_two_namespaces_and_the_programs_own_arena(scene, names, quick):
    quick(look_after=UNHURRIED)
    locks = [
        latchwork.RLock(name=names[0], namespace=names[0]),
        latchwork.RLock(name=names[0], namespace=names[1]),
        latchwork.RLock(),
    ]
    parties = [scene.party() for _ in locks]
    close(scene, parties, locks)
    told = scene.telling()
    assert told["text"].startswith("Deadlock: 3 threads of 3 processes")
    assert told["pid"] == parties[-1].pid


def test_a_circle_through_an_arena_that_the_one_who_looks_has_never_opened(
    scene, names, quick, started
):
    """Of two programs that share names, one waits within itself."""
    first, second = (latchwork.RLock(name=name) for name in names)
    here = scene.party()
    assert here.does(second, "acquire").result
    there = started(sys.executable, "-c", SHARED, *names)
    child = int(there.stdout.readline())
    until(lambda: {child, there.pid} <= all_waiters())
    here.begins(first, "acquire")
    told = scene.telling()
    assert told["pid"] == here.pid
    for pid in (here.pid, there.pid, child):
        assert f"of process {pid} (" in told["text"]


def test_a_command_that_holds_a_lock_may_end_at_any_time(scene, names, quick, started):
    """`latchwork run` has what the party wants; its command waits for what the party has."""
    pytest.importorskip("click")
    mine, its = (latchwork.Lock(name=name) for name in names)
    here = scene.party()
    assert here.does(mine, "acquire").result
    wait = f"import latchwork; latchwork.Lock(name={names[0]!r}).acquire()"
    run = started(*LATCHWORK, "run", names[1], "--", sys.executable, "-c", wait)
    until(lambda: waiters(mine))
    here.begins(its, "acquire")
    assert scene.stays_told(0, 4 * QUICK)
    mine.release()
    assert here.says().result is True
    assert run.wait(30) == 0
    assert not scene.told()


def test_a_pid_of_another_pid_namespace_is_nobody_known(names, started):
    """Each is process 1 and thread 1 where it lives: it does not wait for itself."""
    how = ("unshare", *(() if os.geteuid() == 0 else ("-r",)), "--pid", "--fork", "--mount-proc")
    if (
        not shutil.which("unshare")
        or subprocess.run([*how, "true"], capture_output=True).returncode
    ):
        pytest.skip("no pid namespaces to be had here")
    holds = started(*how, "--kill-child", sys.executable, "-c", LONE, names[0])
    assert holds.stdout.readline() == "has it\n"
    waits = started(*how, "--kill-child", sys.executable, "-c", LONE, names[0])
    lock = latchwork.Lock(name=names[0])
    until(lambda: waiters(lock) == [0])
    with pytest.raises(subprocess.TimeoutExpired):
        waits.wait(4 * QUICK)
    (owner,) = lock.statistics().owners
    assert owner.pid == 0
    holds.stdin.close()
    assert waits.stdout.readline() == "has it\n"
