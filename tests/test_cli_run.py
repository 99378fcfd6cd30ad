"""`latchwork run`: what it holds, and for how long, whoever is killed."""

import os
import random
import signal
import subprocess
import time

import pytest
from cli_scene import LATCHWORK, PATIENCE, Holder, is_gone, latchwork, until

from latchwork import BoundedSemaphore, Lock, RWLock


@pytest.fixture
def name(request, tmp_path, monkeypatch):
    monkeypatch.delenv("LATCHWORK_ABANDONED", raising=False)
    return f"{tmp_path.name}-{request.node.name}"[:100]


def is_held(name):
    """Whether another could not have it now: what ``--no-wait`` asks, which has tests of its own."""
    rw = RWLock(name=name)
    if not rw.acquire_write(block=False):
        return True
    rw.release_write()
    return False


def test_two_commands_of_one_name_run_one_after_the_other(name):
    with Holder(name) as first, Holder(name) as second:
        first.begun()
        second.waits()
        assert first.end(3) == 3
        second.begun()
        assert is_gone(first.command)
        assert second.end() == 0


def test_shared_ones_run_together_and_exclude_the_others(name):
    with Holder(name, "--shared") as first, Holder(name, "-s") as second:
        first.begun()
        second.begun()
        assert is_held(name)
        assert first.end() == 0
        assert is_held(name)
        assert second.end() == 0
    assert not is_held(name)


def test_the_words_of_the_command_are_its_own(name):
    for words in (
        (name, "echo", "-n", "--shared", "--", "-w"),
        (name, "--", "echo", "-n", "--shared", "--", "-w"),
        ("-w5", name, "--shared", "--timeout", "5", "echo", "-n", "--shared", "--", "-w"),
        ("-sw", "5", "--timeout=5", name, "--", "echo", "-n", "--shared", "--", "-w"),
    ):
        done = latchwork("run", *words)
        assert (done.returncode, done.stdout) == (0, "--shared -- -w"), done.stderr


def test_a_timeout_has_an_exit_status_of_its_own(name):
    with RWLock(name=name).write():
        done = latchwork("run", name, "--timeout", "0.05", "--verbose", "true")
        assert done.returncode == 124
        assert "held by another" in done.stderr
        assert latchwork("run", name, "-w", "0.05", "-E", "75", "true").returncode == 75
        assert latchwork("run", name, "-n", "-E", "0", "false").returncode == 0


def test_a_lock_that_python_made_is_a_lock_here(name):
    lock = Lock(name=name)
    with Holder(name) as holder:
        holder.begun()
        assert not lock.acquire(block=False)
        assert holder.end() == 0
        assert lock.acquire(block=False)
        assert not lock.abandoned
        assert latchwork("run", name, "-n", "true").returncode == 1
        done = latchwork("run", name, "--shared", "true")
        assert done.returncode == 3
        assert "can't be shared" in done.stderr
    lock.release()


def test_a_permit_is_held_for_as_long_as_the_command_runs(name):
    pool = BoundedSemaphore(2, name=name)
    with (
        Holder(name, "--semaphore", "2") as first,
        Holder(name, "--semaphore", "2") as second,
        Holder(name, "--semaphore", "2") as third,
    ):
        first.begun()
        second.begun()
        assert latchwork("run", name, "--semaphore", "2", "-n", "true").returncode == 1
        assert first.end() == 0
        third.begun()
        assert second.end() == third.end() == 0
    assert pool.get_value() == 2
    other = latchwork("run", name, "--semaphore", "3", "true")
    assert other.returncode == 3
    assert "made with value=2" in other.stderr
    assert latchwork("run", name, "true").returncode == 3


def test_a_command_that_was_killed_leaves_word_to_the_next(name):
    with Holder(name) as first, Holder(name, script="echo $$ $LATCHWORK_ABANDONED") as second:
        first.begun()
        second.waits()
        os.kill(first.command, signal.SIGKILL)
        _, abandoned = second.line().split()
        assert abandoned == "1"
        assert first.process.wait(PATIENCE) == -signal.SIGKILL
        assert second.process.wait(PATIENCE) == 0
        assert f"process {first.wrapper} died" in second.process.stderr.read()
    assert latchwork("run", name, "sh", "-c", "echo ${LATCHWORK_ABANDONED-no}").stdout == "no\n"


def test_a_command_that_fails_leaves_none(name):
    assert latchwork("run", name, "false").returncode == 1
    done = latchwork("run", name, "sh", "-c", "echo ${LATCHWORK_ABANDONED-no}")
    assert (done.stdout, done.stderr) == ("no\n", "")


# `kill -0` would be content with a zombie.
ALONE = "case $(cat /proc/{}/stat 2>/dev/null) in '' | *') Z '*) echo one;; *) echo two;; esac"


@pytest.mark.parametrize("kind", ["exclusive", "shared", "semaphore", "lock"])
def test_kill_9_of_the_wrapper_frees_nothing_while_the_command_runs(kind, name):
    words = {"shared": ["--shared"], "semaphore": ["--semaphore", "1"]}.get(kind, [])
    kept = Lock(name=name) if kind == "lock" else None
    waiting = [name] if kind == "shared" else [name, *words]
    with Holder(name, *words) as first:
        first.begun()
        with Holder(*waiting, script=ALONE.format(first.command)) as second:
            second.waits()
            os.kill(first.wrapper, signal.SIGKILL)
            first.process.wait(PATIENCE)
            # Both those that sleep and those that come now find out that it is still held.
            assert latchwork("run", *waiting, "-n", "true").returncode == 1
            assert not is_gone(first.command)
            before = time.monotonic()
            first.let_end()
            until(lambda: is_gone(first.command), "the end of the command")
            assert second.line() == "one"
            assert time.monotonic() - before < 2
    del kept


def test_a_python_program_waits_for_the_command_whose_wrapper_was_killed(name):
    rw = RWLock(name=name)
    with Holder(name) as first:
        first.begun()
        os.kill(first.wrapper, signal.SIGKILL)
        first.process.wait(PATIENCE)
        assert not rw.acquire_read(timeout=0.2)
        os.kill(first.command, signal.SIGKILL)
        assert rw.acquire_write(timeout=PATIENCE)
        assert is_gone(first.command)
        assert rw.abandoned
        rw.release_write()


def test_the_wrapper_killed_at_any_moment_never_lets_two_run(name, tmp_path):
    """Three at a time; each wrapper is killed somewhere from its first instruction to its last."""
    script = f"mkdir {tmp_path}/in && sleep 0.01 && rmdir {tmp_path}/in || echo overlap"
    chance = random.Random(5)
    left, running, outputs = 16, [], []
    while left or running:
        while left and len(running) < 3:
            command = [*LATCHWORK, "run", name, "--", "sh", "-c", script]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            running.append((process, time.monotonic() + chance.uniform(0.05, 0.4)))
            left -= 1
        process, end = running.pop(0)
        if process.poll() is None:
            if time.monotonic() < end:
                running.append((process, end))
                time.sleep(0.001)
                continue
            process.kill()
        outputs.append(process.communicate(timeout=PATIENCE)[0])  # until its command has ended
    assert outputs == [""] * 16
    assert latchwork("run", name, "--timeout", "5", "true").returncode == 0


def test_where_no_process_can_be_started_it_says_so_and_releases(name):
    import resource

    done = latchwork(
        *("run", name, "--keep", "true"),
        # Enough files for Python and the lock, not for pipes beside them.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)),
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "no process could be started for 'true'" in done.stderr
    assert not is_held(name)
    assert not RWLock(name=name).abandoned


def test_kill_9_of_the_waiting_costs_nobody_anything(name):
    with Holder(name) as first, Holder(name) as second, Holder(name) as third:
        first.begun()
        second.waits()
        third.waits()
        os.kill(second.wrapper, signal.SIGKILL)
        assert first.end() == 0
        third.begun()
        assert third.end() == 0


BACKGROUND = "sleep 1000 <&- >&- 2>&- & echo $!; read word"


def test_what_the_command_leaves_running_holds_nothing(name):
    with Holder(name, script=BACKGROUND) as holder:
        holder.begun()  # its "command" is the one in the background
        assert is_held(name)
        assert holder.end() == 0
        assert not is_gone(holder.command)
        assert not is_held(name)


@pytest.mark.parametrize("victim", ["nobody", "wrapper"])
def test_with_keep_it_holds_until_the_last_of_it_has_ended(victim, name):
    with Holder(name, "--keep", script=BACKGROUND) as holder:
        holder.begun()
        if victim == "wrapper":
            os.kill(holder.wrapper, signal.SIGKILL)
        holder.let_end()
        holder.process.wait(PATIENCE)
        assert is_held(name)
        with Holder(name) as second:
            second.waits()
            os.kill(holder.command, signal.SIGKILL)
            second.begun()
            assert is_gone(holder.command)
            assert second.end() == 0


def test_with_keep_and_nothing_left_it_is_released_like_any(name):
    assert latchwork("run", name, "--keep", "true").returncode == 0
    done = latchwork("run", name, "--keep", "sh", "-c", "echo ${LATCHWORK_ABANDONED-no}")
    assert (done.stdout, done.stderr) == ("no\n", "")


def test_a_shared_hold_that_is_kept_outlives_the_file_of_the_namespace(name):
    """Nothing in the file would say that it is needed, but for the one that inherited."""
    with Holder(name, "--keep", "--shared", "--namespace", "kept", script=BACKGROUND) as holder:
        holder.begun()
        assert holder.end() == 0
        done = latchwork("run", name, "--namespace", "kept", "-n", "true")
        assert done.returncode == 1
        os.kill(holder.command, signal.SIGKILL)
        done = latchwork("run", name, "--namespace", "kept", "-w", str(PATIENCE), "true")
        assert done.returncode == 0


def test_the_command_finds_its_world_as_it_would_without_a_wrapper(name, monkeypatch):
    """No descriptors, blocked or ignored signals, or variables of this program's."""
    look = (
        "grep -E '^Sig(Blk|Ign)' /proc/self/status; echo /proc/self/fd/*; env | grep LATCHWORK_PR"
    )
    monkeypatch.delenv("LATCHWORK_PROGRAM", raising=False)
    plain = subprocess.run(["sh", "-c", look], capture_output=True, text=True)
    assert latchwork("run", name, "sh", "-c", look).stdout == plain.stdout
