"""Ctrl-C and signal handlers run during a wait, and cost nobody a wake-up."""

import os
import signal
import threading
import time

import pytest
from actors import SOON, asleep, heard, take

import latchwork


class Interrupted(Exception):
    pass


@pytest.fixture
def alarm():
    """Calls of `alarm(seconds, handler)` send this process one SIGALRM."""
    before = signal.getsignal(signal.SIGALRM)

    def alarm(seconds, handler):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def raises(*_):
    raise Interrupted


def test_a_handler_runs_during_the_wait_and_the_wait_goes_on(alarm):
    ran = []
    lock, event = latchwork.Lock(), latchwork.Event()
    lock.acquire()
    for wait in (lambda: lock.acquire(timeout=0.3), lambda: event.wait(0.3)):
        ran.clear()
        alarm(0.05, lambda *_: ran.append(time.monotonic()))
        before = time.monotonic()
        assert wait() is False
        assert time.monotonic() - before >= 0.3
        assert len(ran) == 1
        assert ran[0] - before < 0.3


def test_an_exception_out_of_a_handler_ends_the_wait(alarm):
    lock, event = latchwork.Lock(), latchwork.Event()
    lock.acquire()
    for wait in (lock.acquire, event.wait):
        alarm(0.05, raises)
        with pytest.raises(Interrupted):
            wait()
    lock.release()
    assert lock.acquire(block=False)


def test_set_in_a_handler_ends_the_wait_of_the_same_thread(alarm):
    event = latchwork.Event()
    alarm(0.05, lambda *_: event.set())
    assert event.wait() is True


def test_release_in_a_handler_ends_the_wait_of_the_same_thread(alarm):
    lock = latchwork.Lock()
    lock.acquire()
    alarm(0.05, lambda *_: lock.release())
    assert lock.acquire() is True


def interrupted_take(lock, said):
    signal.signal(signal.SIGUSR1, raises)
    said.send("waiting")
    try:
        lock.acquire()
        lock.release()
    except Interrupted:
        said.send("interrupted")


def test_an_interrupted_waiter_loses_no_wake_up_for_others(no_net):
    """The release and the signal come at the same moment, many times."""
    ctx = latchwork.get_context("fork")
    lock = latchwork.Lock()
    for _ in range(20):
        lock.acquire()
        said, saying = ctx.Pipe()
        victim = ctx.Process(target=interrupted_take, args=(lock, saying))
        victim.start()
        assert heard(said) == "waiting"
        asleep(victim.pid)
        told, telling = ctx.Pipe()
        other = ctx.Process(target=take, args=(lock, telling))
        other.start()
        assert heard(told) == "waiting"
        asleep(other.pid)
        shoot = threading.Thread(target=os.kill, args=(victim.pid, signal.SIGUSR1))
        shoot.start()
        lock.release()
        got, _, _ = heard(told)
        assert got
        shoot.join()
        victim.join(SOON)
        other.join(SOON)


def test_ctrl_c_ends_a_wait():
    ctx = latchwork.get_context("fork")
    lock = latchwork.Lock()
    lock.acquire()
    said, saying = ctx.Pipe()

    def child():
        saying.send("waiting")
        try:
            lock.acquire()
        except KeyboardInterrupt:
            saying.send("interrupted")

    process = ctx.Process(target=child)
    process.start()
    assert heard(said) == "waiting"
    asleep(process.pid)
    os.kill(process.pid, signal.SIGINT)
    assert heard(said) == "interrupted"
    process.join(SOON)
