"""Deadlocks of real processes: told once, in full, soon; broken if that was asked for; never in error."""

import asyncio
import os
import re
from pathlib import Path

import pytest
from actors import SOON
from deadlock_scenes import QUICK, UNHURRIED, Scene, close, notified_too_late, record
from party import FORK

import latchwork
from latchwork import DeadlockError

ROOT = Path(__file__).resolve().parent.parent
SPAWN = latchwork.get_context("spawn")


def cast(scene, number):
    return [scene.party() for _ in range(number)]


# --- found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind"),
    [(2, latchwork.Lock), (3, latchwork.RLock), (10, latchwork.RLock)],
)
def test_a_circle_of_processes_is_told_once_within_two_seconds(tmp_path, number, kind):
    """With the settings as they are without any. A machine that is busy gets more than one try."""
    for times in range(3):
        scene = Scene(tmp_path / f"told{times}")
        try:
            took = told_ring(scene, number, kind)
        finally:
            scene.end()
        print(f"{number} processes: told {took:.3f} s after the last one began to wait")
        if took < 2:
            return
    raise AssertionError("never within two seconds")


def told_ring(scene, number, kind):
    primitives = [kind() for _ in range(number)]
    parties = cast(scene, number)
    closed = close(scene, parties, primitives)
    told = scene.telling()
    assert told["kind"] == "DeadlockWarning"
    assert told["text"].startswith("Probable" if kind is latchwork.Lock else "Deadlock")
    for who in parties:
        assert f"({who.pid}) of process {who.pid} (" in told["text"]
    for primitive in primitives:
        assert primitive.statistics().title in told["text"]
    took = told["when"] - closed
    if took < 2:  # else it was the next one's turn
        assert told["pid"] == parties[-1].pid
        assert told["text"].count("party.py:") >= number
    if number == 2:
        assert scene.stays_told(1, 1.3)  # others have looked, and the first one again
    return took


@pytest.mark.parametrize("ctx", [FORK, SPAWN], ids=["fork", "spawn"])
def test_threads_of_two_processes(tmp_path, ctx, quick):
    """Each process has threads that could go on; these two can't."""
    quick(look_after=UNHURRIED)
    scene = Scene(tmp_path / "told", ctx)
    first, second = latchwork.RLock(), latchwork.Lock()
    here, there = scene.process(), scene.process()
    assert scene.thread(here, "a", first)("acquire")
    assert scene.thread(there, "b", second)("acquire")
    one = scene.thread(here, "a", second).begin("acquire").asleep()
    other = scene.thread(there, "b", first).begin("acquire").asleep()
    told = scene.telling()
    for call, remote in ((one, here), (other, there)):
        tid = remote.begun[call.call]
        assert tid != remote.pid
        assert f"({tid}) of process {remote.pid}" in told["text"]
    assert told["pid"] == there.pid
    scene.end()


def test_a_thread_and_itself(scene, quick):
    lock, who = latchwork.Lock(), scene.party()
    assert who.does(lock, "acquire").result
    who.begins(lock, "acquire")
    assert "held by itself" in scene.telling()["text"]
    lock.release()
    assert who.says().result is True


def test_a_condition_that_gets_its_lock_back(scene, quick):
    """One waits to be notified with another lock in its hand; the notifier wants that one."""
    waits, notifies = cast(scene, 2)
    notified_too_late(waits, notifies)
    told = scene.telling()
    assert told["text"].startswith("Deadlock")
    assert f"process {waits.pid}" in told["text"]
    assert scene.stays_told(1, 3 * QUICK)


def test_a_condition_comes_back_with_its_lock_and_another_one_gives_up(scene, quick):
    quick(deadlock="raise")
    waits, notifies = cast(scene, 2)
    condition = notified_too_late(waits, notifies)
    assert notifies.says().result is DeadlockError
    assert notifies.does(condition, "release").result is None
    assert waits.says().result is True
    assert waits.does(condition, "release").result is None


def test_readers_and_a_writer(scene, quick):
    rw, lock = latchwork.RWLock(), latchwork.Lock()
    reads, also, writes = cast(scene, 3)
    assert reads.does(rw, "acquire_read").result
    assert also.does(rw, "acquire_read").result
    assert writes.does(lock, "acquire").result
    writes.begins(rw, "acquire_write")
    reads.begins(lock, "acquire")
    told = scene.telling()
    assert "to write RWLock" in told["text"]
    assert f"process {also.pid}" not in told["text"]


def test_permits_are_stuck_with_all_their_holders(scene, quick):
    permits, lock = latchwork.BoundedSemaphore(2), latchwork.Lock()
    first, second, waits = cast(scene, 3)
    for who in (first, second):
        assert who.does(permits, "acquire").result
    assert waits.does(lock, "acquire").result
    waits.begins(permits, "acquire")
    first.begins(lock, "acquire")
    assert scene.stays_told(0, 3 * QUICK)
    second.begins(lock, "acquire")
    told = scene.telling()
    for who in (first, second, waits):
        assert f"process {who.pid} (" in told["text"]


def test_one_that_is_over_and_comes_again_is_told_again(scene, quick):
    locks = [latchwork.Lock(), latchwork.Lock()]
    parties = cast(scene, 2)
    for times in (1, 2):
        close(scene, parties, locks)
        scene.until_told(times)
        locks[0].release()
        assert parties[1].says().result is True
        locks[1].release()
        assert parties[0].says().result is True
        for lock in locks:
            lock.release()


def test_the_victims_process_is_stopped(scene, quick):
    """It is told when that one goes on: a stopped one may be anywhere."""
    parties, locks = cast(scene, 2), [latchwork.RLock(), latchwork.RLock()]
    close(scene, parties, locks)
    parties[-1].stop()
    assert scene.stays_told(0, 4 * QUICK)
    parties[-1].goes_on()
    scene.telling()
    assert scene.stays_told(1, 3 * QUICK)


def hold_by_a_task_and_wait(held, wanted, has_it, path):
    async def both():
        async with held:
            has_it.set()
            wanted.acquire()  # blocks the loop, and so the whole process

    record(path)
    asyncio.run(both())


def test_what_a_task_has_while_its_loop_is_blocked(scene, quick):
    held, wanted, has_it = latchwork.Lock(), latchwork.Lock(), latchwork.Event()
    waits = scene.party()
    assert waits.does(wanted, "acquire").result
    task = FORK.Process(
        target=hold_by_a_task_and_wait, args=(held, wanted, has_it, scene.path), daemon=True
    )
    task.start()
    assert has_it.wait(SOON)
    waits.begins(held, "acquire")
    text = scene.telling()["text"]
    assert text.startswith("Probable")
    assert f"held by process {task.pid}, all of whose threads are stuck" in text


def test_a_reader_that_does_not_wait_helps_nobody_behind_the_writer(scene, quick):
    """The last one to wait finds it, though one of those who read is free."""
    quick(look_after=UNHURRIED)
    rw, lock = latchwork.RWLock(), latchwork.Lock()
    reads, also, writes, behind = cast(scene, 4)
    for who in (reads, also):
        assert who.does(rw, "acquire_read").result
    assert behind.does(lock, "acquire").result
    writes.begins(rw, "acquire_write")
    reads.begins(lock, "acquire")
    behind.begins(rw, "acquire_read")
    told = scene.telling()
    assert told["pid"] == behind.pid
    assert f"process {also.pid}" not in told["text"]


# --- none ---------------------------------------------------------------------------------------------


def test_a_circle_through_a_dead_process_is_none(scene, setting):
    setting(look_after=0.4)
    parties, locks = cast(scene, 3), [latchwork.RLock() for _ in range(3)]
    close(scene, parties, locks)
    parties[1].kill()
    # The one that waited for it has that lock now, and releases what the last one wants.
    got = parties[0].says()
    assert got.result is True
    assert got.abandoned
    assert parties[0].does(locks[0], "release").result is None
    assert parties[2].says().result is True
    assert scene.stays_told(0, 0.6)


def test_a_circle_with_a_timeout_in_it_is_none(scene, quick):
    parties, locks = cast(scene, 2), [latchwork.RLock(), latchwork.RLock()]
    for who, own in zip(parties, locks, strict=True):
        assert who.does(own, "acquire").result
    parties[0].begins(locks[1], "acquire")
    parties[1].begins(locks[0], "acquire", True, 5 * QUICK)
    assert parties[1].says().result is False
    assert parties[1].does(locks[1], "release").result is None
    assert parties[0].says().result is True
    assert not scene.told()


def test_a_chain_whose_end_releases_just_in_time_is_none(scene, quick):
    parties, locks = cast(scene, 3), [latchwork.Lock() for _ in range(3)]
    for who, own in zip(parties, locks, strict=True):
        assert who.does(own, "acquire").result
    parties[0].begins(locks[1], "acquire")
    parties[1].begins(locks[2], "acquire")
    assert scene.stays_told(0, 3 * QUICK)
    assert parties[2].does(locks[2], "release").result is None
    parties[2].begins(locks[0], "acquire")
    assert parties[1].says().result is True
    assert parties[1].does(locks[1], "release").result is None
    assert parties[0].says().result is True
    assert not scene.told()


# --- broken -------------------------------------------------------------------------------------------


def test_one_gets_an_error_and_the_others_go_on(scene, quick):
    quick(deadlock="raise")
    parties, locks = cast(scene, 3), [latchwork.RLock() for _ in range(3)]
    close(scene, parties, locks)
    assert parties[2].says().result is DeadlockError
    for who, own, foreign in ((2, 2, None), (1, 1, 2), (0, 0, 1)):
        if foreign is not None:
            assert parties[who].says().result is True
            assert parties[who].does(locks[foreign], "release").result is None
        assert parties[who].does(locks[own], "release").result is None
    assert not scene.told()
    for lock in locks:
        assert lock.acquire(timeout=SOON)
        assert not lock.abandoned


def test_a_probable_one_is_told_and_not_broken_and_another_process_releases(scene, quick):
    quick(deadlock="raise")
    parties, locks = cast(scene, 2), [latchwork.Lock(), latchwork.Lock()]
    close(scene, parties, locks)
    assert scene.telling()["text"].startswith("Probable")
    for lock in locks:
        lock.release()
    for who in parties:
        assert who.says().result is True


def test_a_probable_one_is_broken_where_that_was_asked_for(scene, quick):
    quick(deadlock="raise-probable")
    parties, locks = cast(scene, 2), [latchwork.Lock(), latchwork.Lock()]
    close(scene, parties, locks)
    assert parties[1].says().result is DeadlockError
    assert parties[1].does(locks[1], "release").result is None
    assert parties[0].says().result is True
    assert not scene.told()


def test_what_a_primitive_was_made_with_counts_before_the_programs(scene, quick):
    """The last one to wait only warns; the one before it raises, when that did not help."""
    parties = cast(scene, 2)
    locks = [latchwork.RLock(), latchwork.RLock(deadlock="raise")]
    close(scene, parties, locks)
    assert parties[0].says().result is DeadlockError
    assert parties[0].does(locks[0], "release").result is None
    assert parties[1].says().result is True
    assert scene.telling()["pid"] == parties[1].pid


def test_it_is_ignored_where_that_was_asked_for(scene, quick):
    quick(deadlock="ignore")
    parties, locks = cast(scene, 2), [latchwork.RLock(), latchwork.RLock()]
    close(scene, parties, locks)
    assert scene.stays_told(0, 4 * QUICK)


def test_none_of_it_is_left(tmp_path, run, arenas):
    done = run(ALONE, check=False, LATCHWORK_LOOK_AFTER="0.1", LATCHWORK_DEADLOCK="raise")
    assert done.returncode == 0, done.stderr
    assert "DeadlockError: Deadlock: 2 threads of 2 processes" in done.stdout
    assert not arenas.exists() or not os.listdir(arenas)


def test_the_example_of_the_docs(run, tmp_path):
    """It says what the docs say it does, but for the numbers."""
    text = (ROOT / "docs" / "deadlocks.md").read_text()
    script, said = re.findall(r"```(?:python)?\n(.*?)```", text, re.DOTALL)[:2]
    settings = {"LATCHWORK_LOOK_AFTER": "0.1", "LATCHWORK_DEADLOCK": "raise"}
    done = run(script, timeout=30, check=False, **settings)
    assert done.stdout == "transferred\n"

    def plain(line):
        line = line.replace(str(tmp_path), "/srv").replace("script0.py", "bank.py")
        return re.sub(r"\d{3,}", "N", line)

    steps = [plain(line) for line in said.splitlines() if line.startswith("  1.")]
    other = [line.replace("alice", "ALICE").replace("bob", "alice") for line in steps]
    other = [line.replace("ALICE", "bob") for line in other]
    lines = {plain(line) for line in done.stderr.splitlines()}
    assert lines & {*steps, *other}
    assert said.splitlines()[3] in done.stderr


ALONE = """
import latchwork

def work(mine, its, ready):
    with mine:
        ready.wait()
        try:
            with its:
                pass
        except latchwork.DeadlockError as error:
            print(f"{type(error).__name__}: {error}", flush=True)

if __name__ == "__main__":
    a, b, ready = latchwork.RLock(), latchwork.RLock(), latchwork.Barrier(2)
    ctx = latchwork.get_context("fork")
    both = [ctx.Process(target=work, args=args) for args in ((a, b, ready), (b, a, ready))]
    for process in both:
        process.start()
    for process in both:
        process.join()
        assert process.exitcode == 0
"""
