"""Heirs: what a killed process held is held until the one that it named has died, too."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from cli_scene import state_of, until

import latchwork
from latchwork import program

PATIENCE = 30


@pytest.fixture
def family():
    """Makes a process that holds something and, once killed, lives on in an heir; the heir's pid."""
    heirs = []

    def make(take, arena, live=signal.pause):
        told, ready = os.pipe(), os.pipe()
        holder = os.fork()
        if holder == 0:
            heir = os.fork()
            if heir == 0:
                os.setsid()
                os.close(told[1])
                live()
            take()
            arena().bequeath(heir)
            os.write(told[1], str(heir).encode())
            os.read(ready[0], 1)
            os._exit(9)
        heirs.append(int(os.read(told[0], 20)))
        for fd in (*told, *ready):
            os.close(fd)
        return holder, heirs[-1]

    yield make
    for heir in heirs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(heir, signal.SIGKILL)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def sleeps(thread):
    """On the words of several, or in the event loop's poll."""
    waits = f"/proc/self/task/{thread.native_id}/wchan"
    return thread.native_id and re.search("multiple|waitv|poll|^0$", Path(waits).read_text())


def asynchronously(acquire):
    """In a task, which the watcher's threads wait for."""
    return lambda: asyncio.run(asyncio.wait_for(acquire(), PATIENCE))


def by_looking(lock):
    """By latchwork.wait(), which takes nothing."""

    def wait():
        while not lock.acquire(block=False):
            assert latchwork.wait([lock], timeout=PATIENCE)
        return True

    return wait


def only_by_looking(lock, timeout):
    """Nobody acquires, which would find out."""

    def wait():
        end = time.monotonic() + PATIENCE
        while not latchwork.wait([lock], timeout=timeout):
            assert time.monotonic() < end
        return True

    return wait


def locks(make):
    lock = make()
    return lock, lock.acquire, lambda: lock.acquire(timeout=PATIENCE)


KINDS = {
    "Lock": lambda: locks(latchwork.Lock),
    "RLock": lambda: locks(latchwork.RLock),
    "BoundedSemaphore": lambda: locks(latchwork.BoundedSemaphore),
    "RWLock": lambda: (
        (rw := latchwork.RWLock()),
        rw.acquire_write,
        lambda: rw.acquire_read(timeout=PATIENCE),
    ),
    "Lock, in a task": lambda: (
        (lock := latchwork.Lock()),
        lock.acquire,
        asynchronously(lock.acquire_async),
    ),
    "RWLock, in a task": lambda: (
        (rw := latchwork.RWLock()),
        rw.acquire_read,
        asynchronously(rw.acquire_write_async),
    ),
    "Lock, by wait()": lambda: ((lock := latchwork.Lock()), lock.acquire, by_looking(lock)),
    "BoundedSemaphore, by wait() alone": lambda: (
        (pool := latchwork.BoundedSemaphore()),
        pool.acquire,
        only_by_looking(pool, PATIENCE),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_had_when_the_heir_has_died_and_not_before(kind, family, no_net):
    """Without the usual re-check: so it is seen that there is none to be woken by any more."""
    primitive, take, want = KINDS[kind]()
    holder, heir = family(take, lambda: primitive._arena)
    had = []
    waiter = threading.Thread(target=lambda: had.append(want()))
    waiter.start()
    until(lambda: sleeps(waiter), "the wait")
    kill(holder)
    # Nobody polls without a pause, either: three looks at the heir take no time to speak of.
    before = time.process_time()
    waiter.join(0.3)
    spent = time.process_time() - before
    assert not had
    assert spent < 0.15
    os.kill(heir, signal.SIGKILL)
    waiter.join(PATIENCE)
    assert had == [True]


def test_wait_without_patience_sees_it_as_well(family):
    lock, pool = latchwork.Lock(), latchwork.BoundedSemaphore()

    def take():
        lock.acquire()
        pool.acquire()

    holder, heir = family(take, lambda: lock._arena)
    kill(holder)
    assert latchwork.wait([lock, pool], timeout=0) == []
    os.kill(heir, signal.SIGKILL)
    until(lambda: latchwork.wait([lock], timeout=0), "the lock")
    until(lambda: latchwork.wait([pool], timeout=0), "the permit")


def test_those_that_do_not_wait_see_it_as_well(family):
    lock, rw, pool = latchwork.Lock(), latchwork.RWLock(), latchwork.BoundedSemaphore()

    def take():
        lock.acquire()
        rw.acquire_write()
        pool.acquire()

    holder, heir = family(take, lambda: lock._arena)
    kill(holder)
    assert not lock.acquire(block=False)
    assert not rw.acquire_read(block=False)
    assert not pool.acquire(block=False)
    assert lock.locked()
    assert lock._owner_pid() == rw._writer_pid() == heir
    os.kill(heir, signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while not lock.acquire(block=False):
        assert time.monotonic() < end
    assert rw.acquire_read(block=False)
    assert pool.acquire(block=False)
    assert lock.abandoned


def test_one_that_takes_it_back_dies_alone(family):
    lock = latchwork.Lock()

    def take():
        lock.acquire()

    class Arena:
        def bequeath(self, heir):
            assert lock._arena.bequeath(heir)
            assert lock._arena.bequeath(0)

    holder, _ = family(take, Arena)
    kill(holder)
    assert lock.acquire(block=False)


SYS_EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]


def test_an_heir_lives_while_any_thread_of_it_does(family):
    """Without its main thread it looks like a zombie in /proc."""
    lock, go = latchwork.Lock(), os.pipe()

    def live():
        os.read(go[0], 1)
        threading.Thread(target=signal.pause).start()
        ctypes.CDLL(None).syscall(SYS_EXIT, 0)  # of this thread alone

    holder, heir = family(lock.acquire, lambda: lock._arena, live)
    os.write(go[1], b"x")
    until(lambda: state_of(heir) == "Z", "the end of its main thread")
    kill(holder)
    assert not lock.acquire(block=False)
    os.kill(heir, signal.SIGKILL)
    assert lock.acquire(timeout=PATIENCE)


def test_the_dead_are_no_heirs():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not program.arena().bequeath(pid)
    os.waitpid(pid, 0)
    assert not program.arena().bequeath(pid)
    assert not program.arena().inherited()
