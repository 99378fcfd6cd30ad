"""Whatever ends a wait, nobody is seen to wait after it."""

import contextlib
import os
import signal

import pytest
from looking_on import LONG, thread, waiters, waiting
from party import Party

import latchwork

pytestmark = pytest.mark.usefixtures("nobody_waiting")


class Interrupt(Exception):
    pass


@contextlib.contextmanager
def on_alarm(act):
    """This thread, the main one, is interrupted soon, once it waits."""

    def handle(number, frame):
        if not waiting():  # not yet
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            return
        act()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def fail():
    raise Interrupt


def held(make, take="acquire"):
    """One that another process holds, and how to wait for it."""
    primitive = make()
    party = Party()
    assert party.does(primitive, take).result in (True, None)
    return primitive, party


CALLS = {
    "Lock": lambda: (held(latchwork.Lock), "acquire"),
    "RLock": lambda: (held(latchwork.RLock), "acquire"),
    "Semaphore": lambda: ((latchwork.Semaphore(0), None), "acquire"),
    "BoundedSemaphore": lambda: (held(latchwork.BoundedSemaphore), "acquire"),
    "Event": lambda: ((latchwork.Event(), None), "wait"),
    "Latch": lambda: ((latchwork.Latch(1), None), "wait"),
    "Barrier": lambda: ((latchwork.Barrier(2), None), "wait"),
    "RWLock, to read": lambda: (held(latchwork.RWLock, "acquire_write"), "acquire_read"),
    "RWLock, to write": lambda: (held(latchwork.RWLock, "acquire_read"), "acquire_write"),
    "Condition": lambda: ((latchwork.Condition(), None), "wait"),
    "several": lambda: (([latchwork.Event(), latchwork.Event()], None), None),
}


@pytest.fixture(params=CALLS)
def call(request):
    """A call that would wait for ever."""
    (primitive, party), method = CALLS[request.param]()
    if request.param == "several":
        yield lambda timeout=None: latchwork.wait(primitive, timeout)
    elif request.param == "Condition":

        def wait(timeout=None):
            with primitive:
                return primitive.wait(timeout)

        yield wait
    elif method == "wait":
        yield primitive.wait
    else:
        yield lambda timeout=None: getattr(primitive, method)(timeout=timeout)
    if party is not None:
        party.process.kill()
        party.process.join()


def test_a_timeout_leaves_nobody_waiting(call):
    with contextlib.suppress(latchwork.BrokenBarrierError):
        assert not call(0.02)
    assert waiting() == []


def test_a_handler_that_raises_leaves_nobody_waiting(call):
    with on_alarm(fail), pytest.raises(Interrupt):
        call()
    assert waiting() == []


def test_ctrl_c_leaves_nobody_waiting(call):
    with on_alarm(lambda: os.kill(os.getpid(), signal.SIGINT)), pytest.raises(KeyboardInterrupt):
        call()
    assert waiting() == []


def test_a_child_that_is_forked_in_a_handler_leaves_its_parents_entry(call):
    """It leaves the wait by an exception, in the parent's name if it did not know better."""

    class Child(Exception):
        pass

    forked = []

    def fork():
        pid = os.fork()
        if pid == 0:
            raise Child
        forked.append(pid)
        assert {row[2] for row in waiting()} == {os.getpid()}
        os.waitpid(pid, 0)
        assert {row[2] for row in waiting()} == {os.getpid()}, "the child took it away"
        raise Interrupt

    with on_alarm(fork):
        try:
            call()
        except Child:
            os._exit(0)
        except Interrupt:
            pass
    assert len(forked) == 1
    assert waiting() == []


def test_a_handler_that_waits_is_seen_beside_what_it_interrupts():
    outer, inner = latchwork.Event(), latchwork.Event()
    seen = []

    def wait_again():
        with thread(lambda: (seen.append(len(waiters(inner, 1))), inner.set())):
            inner.wait(LONG)
        seen.append(len(outer.statistics().waiters))
        outer.set()

    with on_alarm(wait_again):
        assert outer.wait(LONG)
    assert seen == [1, 1]


def test_a_wait_at_the_end_of_the_stack_goes_on(run):
    """To write down where it waits takes room that may not be there."""
    source = """
import sys, threading, latchwork
latchwork.configure(look_after=0.02)
lock, event = latchwork.Lock(), threading.Event()
def down(depth):
    return down(depth - 1) if depth else lock.acquire()
sys.setrecursionlimit(100)
deepest = 0
for depth in range(50, 100):
    try:
        down(depth)
    except RecursionError:
        break
    lock.release()
    deepest = depth
with lock:
    pass
lock.acquire()
threading.Timer(0.2, lock.release).start()
print(down(deepest))
"""
    assert run(source) == "True"


def test_a_wait_without_files_to_open_goes_on(run):
    source = """
import resource, threading, latchwork
latchwork.configure(look_after=0.02)
lock = latchwork.Lock()
timer = threading.Timer(0.2, lock.release)
timer.start()
lock.acquire()
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
print(lock.acquire())
"""
    assert run(source) == "True"
