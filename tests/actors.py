"""What child processes do in the tests: importable by spawned ones."""

import os
import signal
import time

import latchwork

at_module_level = latchwork.Event()
several = [latchwork.Lock() for _ in range(3)]


class InClassBody:
    event = latchwork.Event()


METHODS = ("fork", "spawn", "forkserver")
SOON = 10.0  # a bound that fails loudly; nothing takes this long unless it hangs


def hold(lock, said, megabytes=0):
    """Take the lock, say so, and keep it until killed."""
    lock.acquire()
    memory = bytearray(os.urandom(1 << 20) * megabytes)
    said.send("held")
    signal.pause()
    del memory


def take(lock, said):
    """Say that it is about to wait, then when it got the lock and whether it was abandoned."""
    said.send("waiting")
    got = lock.acquire(timeout=SOON)
    said.send((got, time.monotonic(), got and lock.abandoned))
    if got:
        lock.release()


def try_once(lock):
    got = lock.acquire(block=False)
    if got:
        lock.release()
    return got


def wait_for(event, said):
    said.send("waiting")
    said.send((event.wait(SOON), time.monotonic()))


def set_it(event):
    event.set()


def set_module_level():
    at_module_level.set()
    InClassBody.event.set()


def hold_several():
    for lock in several[1:]:
        lock.acquire()
    signal.pause()


def pid():
    return os.getpid()


def state_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def is_asleep(pid):
    """In futex or futex_waitv of x86-64 or arm64."""
    with open(f"/proc/{pid}/syscall") as syscall:
        number = syscall.read().split()[0]
    return number in ("202", "98", "449") and state_of(pid) == "S"


def asleep(pid):
    """Wait until the process sleeps in a futex."""
    end = time.monotonic() + SOON
    while not is_asleep(pid):
        assert time.monotonic() < end, f"{pid} never slept"
        time.sleep(0.001)


def heard(conn):
    assert conn.poll(SOON), "no word: it hangs or died"
    return conn.recv()
