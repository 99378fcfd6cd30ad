"""Death never hangs the living."""

import logging
import os
import signal
import threading
import time

import pytest
from actors import METHODS, SOON, asleep, heard, hold, take, wait_for

import latchwork
from latchwork import _core, _hooks


@pytest.fixture(params=METHODS)
def ctx(request):
    return latchwork.get_context(request.param)


@pytest.fixture
def fork():
    return latchwork.get_context("fork")


@pytest.fixture
def lock():
    return latchwork.Lock()


def start(ctx, target, *args):
    said, saying = ctx.Pipe()
    child = ctx.Process(target=target, args=(args[0], saying, *args[1:]))
    child.start()
    first = heard(said)
    return child, said, first


def kill(pid):
    """Without reaping: it stays a zombie, as under a busy parent."""
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def test_the_next_owner_gets_a_killed_owners_lock_and_is_told(ctx, lock, no_net):
    owner, _, _ = start(ctx, hold, lock)
    waiter, said, _ = start(ctx, take, lock)
    asleep(waiter.pid)
    kill(owner.pid)
    got, _, abandoned = heard(said)
    assert (got, abandoned) == (True, True)
    with lock:
        assert not lock.abandoned


def test_it_is_told_once_and_logged(fork, lock, caplog):
    owner, _, _ = start(fork, hold, lock)
    kill(owner.pid)
    with caplog.at_level(logging.WARNING, "latchwork"):
        assert lock.acquire(timeout=SOON)
    assert lock.abandoned
    assert f"process {owner.pid} died" in caplog.text
    lock.release()
    assert not lock.abandoned
    with lock:
        assert not lock.abandoned


def test_an_owner_interrupted_while_it_is_told_leaves_that_to_the_next(fork, lock, monkeypatch):
    """The fake forces the moment: a Ctrl-C in the middle of the warning."""
    owner, _, _ = start(fork, hold, lock)
    kill(owner.pid)
    told = []

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_hooks, "abandoned", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lock.acquire(timeout=SOON)
    assert not lock.locked()
    monkeypatch.setattr(_hooks, "abandoned", lambda _, pid, count: told.append(pid))
    assert lock.acquire(block=False)
    assert lock.abandoned
    assert told == [owner.pid]


def test_a_lock_of_the_dead_is_not_locked_and_is_had_without_waiting(fork, lock):
    owner, _, _ = start(fork, hold, lock)
    kill(owner.pid)
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    assert not lock.locked()
    assert lock.acquire(block=False)


def test_a_gigabyte_of_memory_delays_nobody(fork, lock, no_net):
    owner, _, _ = start(fork, hold, lock, 1024)
    waiter, said, _ = start(fork, take, lock)
    asleep(waiter.pid)
    killed = kill(owner.pid)
    got, when, abandoned = heard(said)
    assert got
    assert abandoned
    print(f"{(when - killed) * 1e6:.0f} us after the kill")


def test_after_a_hand_over_the_sleepers_watch_the_new_owner(fork, lock, no_net):
    """Found by the model: they slept on the alive word of an owner before."""
    lock.acquire()
    said, saying = fork.Pipe()
    queue = {}
    for _ in range(4):
        child = fork.Process(target=hold_for_ever, args=(lock, saying))
        child.start()
        queue[child.pid] = child
    for pid in queue:
        asleep(pid)
    lock.release()
    killed = None
    while queue:
        owner, when = heard(said)
        if killed is not None:
            print(f"{(when - killed) * 1e6:.0f} us after the kill")
        del queue[owner]
        for pid in queue:
            asleep(pid)
        killed = kill(owner)


def hold_for_ever(lock, said):
    lock.acquire()
    said.send((os.getpid(), time.monotonic()))
    signal.pause()


def test_a_killed_waiter_costs_nobody_anything(fork, lock, no_net):
    lock.acquire()
    victims = [start(fork, take, lock)[0] for _ in range(3)]
    survivors = [start(fork, take, lock) for _ in range(2)]
    for process in [*victims, *(survivor for survivor, _, _ in survivors)]:
        asleep(process.pid)
    for victim in victims:
        kill(victim.pid)
        # Really gone: a release that wakes one which dies that instant is left to the re-check.
        os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
    lock.release()
    for _, said, _ in survivors:
        got, _, abandoned = heard(said)
        assert got
        assert not abandoned


def test_a_killed_waiter_of_an_event_costs_nobody_anything(ctx, no_net):
    event = latchwork.Event()
    victim, _, _ = start(ctx, wait_for, event)
    survivor, said, _ = start(ctx, wait_for, event)
    asleep(victim.pid)
    asleep(survivor.pid)
    kill(victim.pid)
    event.set()
    assert heard(said)[0] is True
    assert event.is_set()


def test_a_stopped_owner_is_not_dead(fork, lock):
    owner, _, _ = start(fork, hold, lock)
    os.kill(owner.pid, signal.SIGSTOP)
    assert lock.acquire(timeout=1.3) is False  # longer than any re-check
    os.kill(owner.pid, signal.SIGCONT)
    kill(owner.pid)
    assert lock.acquire(timeout=SOON)


def become_another(lock, said):
    lock.acquire()
    said.send("held")
    os.execvp("sleep", ["sleep", "60"])


def test_exec_is_a_death(fork, lock):
    _, _, first = start(fork, become_another, lock)
    assert first == "held"
    assert lock.acquire(timeout=SOON)
    assert lock.abandoned


def test_a_fork_leaves_the_lock_with_the_parent(lock):
    lock.acquire()
    pid = os.fork()
    if pid == 0:
        fresh = latchwork.Lock()
        fine = not lock.acquire(block=False) and fresh.acquire(block=False) and not lock.abandoned
        os._exit(0 if fine else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert lock.locked()
    lock.release()


def test_a_forked_childs_garbage_takes_nothing_from_the_parent():
    lock = latchwork.Lock()
    pid = os.fork()
    if pid == 0:
        del lock
        import gc

        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    others = [latchwork.Lock() for _ in range(3000)]
    with lock:
        assert all(other.acquire(block=False) for other in others)


def test_what_the_parent_drops_stays_with_its_forked_child(fork):
    """Also after many others were made and dropped."""
    lock = latchwork.Lock()
    lock.acquire()
    go, child_go = fork.Pipe()
    said, saying = fork.Pipe()

    def child():
        child_go.recv()
        saying.send(lock.acquire(block=False))

    process = fork.Process(target=child)
    process.start()
    lock = None
    for _ in range(3):
        made = [latchwork.Lock() for _ in range(3000)]
        del made
    go.send("now")
    assert heard(said) is False
    process.join(SOON)


def test_the_dead_are_found_without_futex_waitv(fork, lock):
    _core.forbid_waitv(True)
    try:
        owner, _, _ = start(fork, hold, lock)
        waiter, said, _ = start(fork, take, lock)
        asleep(waiter.pid)
        kill(owner.pid)
        got, _, abandoned = heard(said)
        assert (got, abandoned) == (True, True)
    finally:
        _core.forbid_waitv(False)


def first_use_on_a_thread(data, said):
    import pickle

    def use():
        lock = pickle.loads(data)
        lock.acquire()
        said.send("held")
        signal.pause()

    # This main thread never runs Python again: no alive word can be had.
    threading.Thread(target=use, daemon=True).start()
    threading.Event().wait()


def test_the_dead_are_found_whose_main_thread_never_came_by(lock):
    """Attached on another thread: found by pid and start time."""
    import pickle

    spawn = latchwork.get_context("spawn")
    owner, _, _ = start(spawn, first_use_on_a_thread, pickle.dumps(lock))
    kill(owner.pid)
    assert lock.acquire(timeout=SOON)
    assert lock.abandoned


def test_any_process_may_release(fork, lock):
    lock.acquire()
    child = fork.Process(target=lock.release)
    child.start()
    child.join(SOON)
    assert lock.acquire(block=False)


def end_holding(lock, said):
    lock.acquire()
    said.send("held")


def test_an_owner_that_just_ends_is_dead_too(ctx, lock):
    start(ctx, end_holding, lock)
    assert lock.acquire(timeout=SOON)
    assert lock.abandoned


RECYCLED = """
import os, signal, sys, time
import latchwork

lock = latchwork.Lock()
held = os.pipe()
owner = os.fork()
if owner == 0:
    lock.acquire()
    os.write(held[1], b"x")
    signal.pause()
os.read(held[0], 1)
os.kill(owner, signal.SIGKILL)
os.waitpid(owner, 0)
for attempt in range(2000):
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(owner - 1))
    again = os.fork()
    if again == 0:
        if os.getpid() == owner:
            signal.pause()
        os._exit(0)
    if again == owner:
        break
    os.waitpid(again, 0)
else:
    print("no such pid again")
    sys.exit()
print(lock.acquire(timeout=5), lock.abandoned)
os.kill(again, signal.SIGKILL)
os.waitpid(again, 0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to choose a pid")
def test_a_recycled_pid_is_not_taken_for_the_owner(run):
    assert run(RECYCLED) in ("True True", "no such pid again")


LEFT = """
import os, signal, sys
import latchwork
locks = [latchwork.Lock() for _ in range(200)]
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        with locks[0]:
            signal.pause()
    children.append(pid)
print(*children, flush=True)
signal.pause()
"""


def test_nothing_is_left_of_a_killed_group_once_anything_runs_again(run, arenas, tmp_path):
    import subprocess
    import sys

    script = tmp_path / "left.py"
    script.write_text(LEFT)
    program = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    program.stdout.readline()
    assert len(list(arenas.iterdir())) == 1
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    assert len(list(arenas.iterdir())) == 1
    run("import latchwork\nlatchwork.Lock()")
    assert not arenas.exists() or not list(arenas.iterdir())


def test_nothing_is_left_after_a_normal_end(run, arenas):
    run(
        "import latchwork, os\n"
        "lock = latchwork.Lock(); named = latchwork.Lock(name='n'); event = latchwork.Event()\n"
        "def work(lock):\n"
        "    lock.acquire()\n"
        "child = latchwork.get_context('fork').Process(target=work, args=(lock,))\n"
        "child.start(); child.join()"
    )
    assert not arenas.exists() or not list(arenas.iterdir())
