"""Those who wait long look around: that ends, prolongs and burdens nothing."""

import ctypes
import os
import subprocess
import sys
import threading

import pytest
from remote import until

import latchwork

SOON = 30.0


@pytest.fixture
def quick():
    latchwork.configure(look_after=0.02)
    yield
    latchwork.configure(look_after=1.0)


def waiters_of(primitive):
    return primitive.statistics().waiters


class Injected(Exception):
    """Of no library: as that of a program that ends its threads so."""


def test_what_another_thread_injects_ends_the_wait(quick):
    """While nothing but the core runs it can't come: but a look is Python."""
    lock, said = latchwork.Lock(), []

    def wait():
        try:
            lock.acquire()
        except Injected:
            said.append("injected")

    with lock:
        waits = threading.Thread(target=wait)
        waits.start()
        until(lambda: waiters_of(lock))
        inject = ctypes.pythonapi.PyThreadState_SetAsyncExc
        assert inject(ctypes.c_ulong(waits.ident), ctypes.py_object(Injected)) == 1
        waits.join(SOON)
        assert said == ["injected"]
    assert lock.acquire(timeout=SOON)


IDLE = """
import sys, threading, time
import latchwork

latchwork.configure(look_after=0.02)
lock, event = latchwork.Lock(), latchwork.Event()
lock.acquire()
threading.Thread(target=event.wait, args=(0.3,)).start()
assert not lock.acquire(timeout=0.3)
event.wait(0.3)
print(*sorted(name for name in sys.modules if name.startswith("latchwork.deadlocks")))
"""


def test_who_waits_for_a_time_or_for_an_event_looks_for_no_deadlock(run):
    assert run(IDLE) == ""


MANY = """
import os
import latchwork
from latchwork import program

lock, told = latchwork.Lock(), latchwork.Semaphore(0)
with lock:
    assert not lock.acquire(timeout=0.001)  # this thread has had an entry
    before = os.stat(program.places()[0].path).st_blocks
    context = latchwork.get_context("fork")
    children = [context.Process(target=lock.acquire, kwargs={"timeout": 30}) for _ in range(140)]
    for child in children:
        child.start()
    while len(lock.statistics().waiters) < 140:
        pass
    print(os.stat(program.places()[0].path).st_blocks - before)
    for child in children:
        child.kill()
    for child in children:
        child.join()
"""


def test_the_children_of_one_that_has_waited_find_room_beside_each_other(run):
    """Entries are 64 bytes, and 512 of text: 512 of them at most for these, of 32,768."""
    grown = int(run(MANY, timeout=60))
    assert grown * 512 < 512 * (64 + 512)


STOPPED = """
import os, signal, sys, time
import latchwork
from latchwork import _core

latchwork.configure(look_after=0.02)
permits = latchwork.BoundedSemaphore(1)
permits.acquire()
waiter = os.fork()
if waiter == 0:
    permits.acquire(timeout=0.2)  # the first sleep: it is in the queue, and looks
    os._exit(0)
os.waitpid(waiter, 0)
holder = os.fork()
if holder == 0:
    _core.crash_arm("guard_held")
    permits.acquire(timeout=10)
    os._exit(0)
os.waitpid(holder, os.WUNTRACED)
waiter = os.fork()
if waiter == 0:
    permits.acquire(timeout=10)
    os._exit(0)
time.sleep(1)
fields = open(f"/proc/{waiter}/stat").read().rpartition(")")[2].split()
print((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
for child in (waiter, holder):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_who_comes_to_a_guard_in_which_somebody_stopped_sleeps(crash_build, arenas):
    """It can't look meanwhile, and does not burn for that."""
    environment = {**os.environ, "PYTHONPATH": str(crash_build), "LATCHWORK_DIR": str(arenas)}
    command = [sys.executable, "-c", STOPPED]
    done = subprocess.run(
        command, env=environment, cwd=arenas, capture_output=True, text=True, timeout=60
    )
    assert not done.stderr
    assert float(done.stdout) < 0.05
