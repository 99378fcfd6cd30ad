"""Slots: freed with the last handle, reused not at once, told apart by generation."""

import os
import pickle
import signal

import pytest

import latchwork
from latchwork import program
from latchwork.errors import GoneError

COUNTS = """
import latchwork
from latchwork import program
def counts():
    return program.arena().counts()
"""


def test_create_and_drop_does_not_grow(run):
    source = """
def loop(number):
    for _ in range(number):
        latchwork.Lock()
        latchwork.Event()
loop(5000)
before = counts()["ready"]
loop(200_000)
print(counts()["ready"] - before, counts()["live"])
"""
    assert run(COUNTS + source) == "0 0"


@pytest.mark.long
def test_ten_million_created_and_dropped_do_not_grow(run):
    source = """
def loop(number):
    for _ in range(number):
        latchwork.Lock()
loop(10_000_000)
print(counts()["used"], counts()["live"])
"""
    used, live = map(int, run(COUNTS + source, timeout=300).split())
    assert used < 5000
    assert live == 0


def test_a_million_primitives_live_in_one_program(run):
    source = """
def make(number):
    return [latchwork.Lock() for _ in range(number)]
locks = make(1_000_000)
assert all(lock.acquire(block=False) for lock in locks[::1000])
print(counts()["live"])
import os
from latchwork import program
path = program.place_of(program.arena()).path
print(os.stat(path).st_blocks * 512 / 1_000_000 < 70)
del locks
print(counts()["live"])
"""
    assert run(COUNTS + source, timeout=120).split() == ["1000000", "True", "0"]


def test_module_level_loops_do_not_grow(run):
    source = """
for number in range(30_000):
    lock = latchwork.Lock()
print(counts()["live"] < 20, counts()["used"] < 10_000)
"""
    assert run(COUNTS + source) == "True True"


def test_what_dead_processes_held_is_freed(run):
    source = """
import os, signal
def work():
    kept = [latchwork.Lock() for _ in range(3000)]
    os.kill(os.getpid(), signal.SIGKILL)
program.arena()
for _ in range(30):
    pid = os.fork()
    if pid == 0:
        work()
    os.waitpid(pid, 0)
print(counts()["used"] < 40_000)  # of 90,000
program.arena().sweep()
print(counts()["live"])
"""
    assert run(COUNTS + source) == "True\n0"


def test_what_pickled_handles_of_the_dead_held_is_freed_from_every_holder(run):
    """More holders than a slot has room for; all of them killed."""
    source = """
import os, pickle
def parent():
    lock = latchwork.Lock()
    data = pickle.dumps(lock)
    ready, go = os.pipe(), os.pipe()
    pids = []
    for _ in range(12):
        pid = os.fork()
        if pid == 0:
            mine = pickle.loads(data)
            os.write(ready[1], b"x")
            os.read(go[0], 1)
        pids.append(pid)
    for _ in pids:
        os.read(ready[0], 1)
    with lock:
        pass
    print(counts()["live"] > 1)
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    program.arena().sweep()
    with lock:
        print(pickle.loads(data).acquire(block=False))
parent()
"""
    assert run(COUNTS + source) == "True\nFalse"


def test_a_pickle_in_flight_finds_its_primitive_though_all_handles_are_gone():
    event = latchwork.Event()
    event.set()
    data = pickle.dumps(event)
    del event
    for _ in range(3):
        made = [latchwork.Lock() for _ in range(3000)]
        del made
    assert pickle.loads(data).is_set()


def test_a_handle_that_comes_too_late_gets_a_named_error_never_anothers_slot():
    lock = latchwork.Lock()
    index, generation = lock._pickling()
    arena = program.arena()
    with pytest.raises(GoneError, match="no longer exists"):
        latchwork.Lock._from(arena, index, generation + 1)
    with pytest.raises(GoneError):
        latchwork.Event._from(arena, index, generation)
    with pytest.raises(GoneError):
        latchwork.Lock._from(arena, 1 << 23, 1)


def test_a_pickle_of_an_ended_program_gets_a_named_error(run):
    data = run("import latchwork, pickle; print(pickle.dumps(latchwork.Lock()).hex())")
    with pytest.raises(GoneError, match="has ended"):
        pickle.loads(bytes.fromhex(data))


MEMBERS = """
import os, signal
program.arena()
lock = latchwork.Lock()
def churn(number):
    for turn in range(number):
        pid = os.fork()
        if pid == 0:
            if turn % 2:
                lock.acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        assert lock.acquire(timeout=5)
        assert lock.abandoned == bool(turn % 2), turn
        lock.release()
churn(NUMBER)
print(counts()["members"])
"""


def test_members_come_and_go(run):
    assert run(COUNTS + MEMBERS.replace("NUMBER", "400")) == "32"


@pytest.mark.long
def test_more_than_a_hundred_thousand_members_come_and_go(run):
    source = "import logging; logging.disable()" + COUNTS + MEMBERS.replace("NUMBER", "110_000")
    assert run(source, timeout=900) == "32"


def test_many_members_at_once(run):
    source = """
import os, signal
program.arena()
lock = latchwork.Lock()
ready, go = os.pipe(), os.pipe()
pids = []
for _ in range(300):
    pid = os.fork()
    if pid == 0:
        with lock:
            os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    pids.append(pid)
for _ in pids:
    os.read(ready[0], 1)
print(len(program.arena().members()))
os.write(go[1], b"x" * 300)
for pid in pids:
    os.waitpid(pid, 0)
print(program.arena().members() == [os.getpid()])
"""
    assert run(COUNTS + source) == "301\nTrue"


def test_a_named_event_that_is_set_outlives_its_users(run):
    run("import latchwork; latchwork.Event(name='deployed').set()")
    look = "import latchwork; print(latchwork.Event(name='deployed').is_set())"
    assert run(look) == "True"
    run("import latchwork; latchwork.Event(name='deployed').clear()")
    assert run(look) == "False"


def test_unlink_ends_a_name_but_not_its_users():
    event = latchwork.Event(name="ended")
    event.set()
    event.unlink()
    assert event.is_set()
    assert event.name is None
    assert not latchwork.Event(name="ended").is_set()
    with pytest.raises(ValueError, match="no name"):
        event.unlink()
    with pytest.raises(ValueError, match="no name"):
        latchwork.Lock().unlink()


def test_the_next_user_of_a_name_is_told_of_the_owners_death(run):
    run(
        "import latchwork, os; latchwork.Lock(name='nightly').acquire(); os.kill(os.getpid(), 9)",
        check=False,
    )
    source = (
        "import latchwork\nlock = latchwork.Lock(name='nightly')\nwith lock: print(lock.abandoned)"
    )
    assert run(source) == "True"
    assert run(source) == "False"


def test_it_works_in_a_daemon_that_closed_all_its_files(run, arenas):
    source = """
import os, latchwork, pickle
lock = latchwork.Lock()
ready = os.pipe()
if os.fork() == 0:
    os.setsid()
    keep = os.dup2(ready[1], 3)
    os.closerange(4, 256)
    with lock:
        latchwork.Lock()
        os.write(3, pickle.dumps(lock))
        os.close(3)
        import signal, time
        for fd in range(3):
            os.close(fd)
        time.sleep(60)
os.close(ready[1])
print(os.getpgid(0) and os.fdopen(ready[0], "rb").read().hex())
"""
    data = run(source)
    run("import latchwork; latchwork.Lock()")  # the cleaning-up of another program
    held = run(f"import pickle; print(pickle.loads(bytes.fromhex({data!r})).acquire(block=False))")
    assert held == "False"
    owner = int(run(f"import pickle; print(pickle.loads(bytes.fromhex({data!r}))._owner_pid())"))
    os.kill(owner, signal.SIGKILL)
