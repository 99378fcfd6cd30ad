"""A look stands in nobody's way: not in that of its own wait, nor of signals, forks and the end."""

import ctypes
import errno
import os
import signal
import sys
import threading
import time
import warnings

import pytest
from actors import SOON, heard
from deadlock_scenes import QUICK
from party import FORK
from remote import until

import latchwork
from latchwork import _hooks
from latchwork.deadlocks import watch
from latchwork.deadlocks.claims import claims


def owners(lock):
    return [owner.pid for owner in lock.statistics().owners]


# --- its own wait -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [OSError(errno.EMFILE, "files"), MemoryError(), IndexError()])
def test_a_look_that_fails_does_not_end_the_wait(scene, quick, monkeypatch, trouble):
    """It is shown as what nobody can catch is, and the lock comes all the same."""
    shown, party, lock = [], scene.party(), latchwork.Lock()

    def fail(*_):
        raise trouble

    # From one of Latchwork's own lines.
    monkeypatch.setattr(watch._may_be, "__code__", own_code(fail))
    monkeypatch.setitem(watch.__dict__, "trouble", trouble)
    monkeypatch.setattr(sys, "unraisablehook", lambda found: shown.append(found.exc_value))
    assert party.does(lock, "acquire").result
    releasing = threading.Thread(target=lambda: (until(lambda: shown), lock.release()))
    releasing.start()
    assert lock.acquire() is True
    releasing.join()
    assert shown == [trouble]


def own_code(function):
    """Code that raises, as if it stood in the package."""
    source = "def fail(*_):\n    raise trouble\n"
    names = {}
    exec(compile(source, watch.__file__, "exec"), names)
    return names["fail"].__code__


def test_without_its_hooks_it_goes_on_waiting(scene, quick, monkeypatch):
    """As when the interpreter ends, and has no modules any more."""
    party, lock = scene.party(), latchwork.Lock()
    assert party.does(lock, "acquire").result
    releasing = threading.Timer(3 * QUICK, lock.release)
    releasing.start()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "latchwork._hooks", None)
        assert lock.acquire() is True
    releasing.join()


def test_a_look_without_a_stack_to_stand_on_does_not_end_the_wait(scene, quick):
    party, lock = scene.party(), latchwork.Lock()
    assert party.does(lock, "acquire").result
    releasing = threading.Timer(3 * QUICK, lock.release)

    def deeper():
        try:
            return deeper()
        except RecursionError:
            return lock.acquire()

    releasing.start()
    assert deeper() is True
    releasing.join()


def test_the_last_waits_of_an_interpreter_that_ends(run):
    assert run(LAST, LATCHWORK_LOOK_AFTER="0.02") == "got it\ngot it"


LAST = """
import atexit
import os
import threading
import time
import time
import latchwork

lock, go = latchwork.Lock(), latchwork.Event()


def hold():
    lock.acquire()
    go.set()
    time.sleep(0.2)
    lock.release()
    time.sleep(0.1)
    lock.acquire()
    go.clear()
    time.sleep(0.2)
    lock.release()


class Last:
    def __del__(self, print=print, lock=lock, go=go):
        while go.is_set():
            pass
        with lock:
            print("got it", flush=True)


def first():
    with lock:
        print("got it", flush=True)


if __name__ == "__main__":
    child = latchwork.get_context("fork").Process(target=hold)
    child.start()
    go.wait()
    last = Last()
    atexit.register(first)
"""


# --- signals ------------------------------------------------------------------------------------------


INTERRUPTED = """
import os, signal, subprocess, sys
import latchwork
from latchwork.deadlocks.look import Mode, look
from latchwork.inspect import looking
from latchwork.inspect.threads import living

said, heard_of = [], 0
# Arenas of others, that are mapped for each look.
left = "import latchwork; latchwork.Event(name='set', namespace='{}').set()"
for name in "abcdefgh":
    subprocess.run([sys.executable, "-c", left.format(name)], check=True)

def over(*_):
    said.append(1)
    raise TimeoutError

def facts():
    living(os.getpid())
    return looking.waited()

def looks(number):
    while len(said) == number:
        look(facts, Mode.WARN, 1.0)

signal.signal(signal.SIGALRM, over)
with latchwork.Lock():
    for number in range(400):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + number % 40 * 0.00001)
            looks(number)
        except TimeoutError:
            heard_of += 1
print(heard_of, len(said))
"""


def test_what_a_signal_handler_raises_is_never_taken_for_a_looks_own_trouble(run):
    """A TimeoutError is an OSError: that of a file that is gone is passed over, this one is not."""
    assert run(INTERRUPTED) == "400 400"


def test_a_handler_that_waits_in_the_middle_of_a_claim_holds_up_no_other_thread():
    over, within = threading.Event(), threading.Event()

    def middle():
        with claims.at_hand():
            within.set()
            over.wait(SOON)

    thread = threading.Thread(target=middle)
    thread.start()
    assert within.wait(SOON)
    with claims.at_hand() as at_hand:
        assert not at_hand
    over.set()
    thread.join()


# --- forks --------------------------------------------------------------------------------------------


def import_it(said):
    with _hooks.importing:
        said.send("imports")


def test_nobody_forks_in_the_middle_of_an_import(tmp_path):
    """The child would wait for a thread that it does not have."""
    heard_of, said = FORK.Pipe()
    within, over = threading.Event(), threading.Event()

    def middle():
        with _hooks.importing:
            within.set()
            over.wait(SOON)

    importing = threading.Thread(target=middle)
    importing.start()
    assert within.wait(SOON)
    child = FORK.Process(target=import_it, args=(said,))
    forking = threading.Thread(target=child.start)
    forking.start()
    assert not heard_of.poll(0.1)
    over.set()
    assert heard(heard_of) == "imports"
    forking.join()
    importing.join()
    child.join()


# --- what is seen of one that was served ----------------------------------------------------------------


def passes_it_on(lock, said):
    """One thread gives the lock to another, and keeps the interpreter for itself."""

    def take():
        lock.acquire()

    lock.acquire()
    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    until(lambda: lock.statistics().waiters)
    said.send((threading.get_native_id(), taker.native_id))
    lock.release()
    ctypes.PyDLL(None).usleep(1500000)
    said.send("goes on")
    signal.pause()


def test_who_waits_for_the_interpreter_only_is_no_waiter_any_more():
    """Nor is the thread that had the lock before taken for its owner: both would look like a deadlock."""
    lock = latchwork.Lock()
    heard_of, said = FORK.Pipe()
    child = FORK.Process(target=passes_it_on, args=(lock, said), daemon=True)
    child.start()
    before, _ = heard(heard_of)
    until(lambda: not lock.statistics().waiters)
    facts = lock.statistics()
    assert not heard_of.poll(), "too slow to see it"
    for owner in facts.owners:
        assert owner.pid == child.pid
        assert owner.thread != before
    assert owners(lock) in ([], [child.pid])
    assert heard(heard_of) == "goes on"
    child.kill()
    child.join()


def test_where_it_is_ignored_nobody_looks_at_all(scene, quick, monkeypatch):
    quick(deadlock="ignore")
    party, lock, looks = scene.party(), latchwork.Lock(), []
    monkeypatch.setattr(watch, "_may_be", lambda *facts: looks.append(facts))
    assert party.does(lock, "acquire").result
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not lock.acquire(timeout=3 * QUICK)
    assert not looks


def test_who_is_not_the_last_to_wait_has_no_need_to_look_first():
    """By then the last one has acted; nobody puts it off for longer than that, whatever clocks say."""
    mine, its = (os.getpid(), threading.get_native_id()), (1, 2)
    now = time.time_ns()
    second = 1_000_000_000
    holdings = [(*its, 0, 1, False)]

    def turn(began, other):
        return watch._turn_ms(holdings, {mine: began, its: other}, 1000)

    assert 900 < turn(now - 2 * second, now - second) <= 1000
    assert turn(now - second, now - 2 * second) == 0
    assert turn(now - second, now + 100 * second) == 1000
    assert turn(now - 9 * second, now - 8 * second) == 1
    assert watch._turn_ms([], {mine: now}, 1000) == 0
