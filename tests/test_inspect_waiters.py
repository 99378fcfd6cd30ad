"""Who waits is told, as long as it waits: since when, until when, for what, and in which line."""

import os
import threading
import time

import pytest
from looking_on import LONG, same_for_all, thread, waiters, waiting
from party import FORK
from remote import until

import latchwork
from latchwork import program

pytestmark = pytest.mark.usefixtures("nobody_waiting")


@pytest.fixture
def soon():
    """What a thread does that waits for long, it does soon."""
    latchwork.configure(look_after=0.05)
    yield
    latchwork.configure(look_after=1)


# --- what is told of it -------------------------------------------------------------------------------


def test_a_timeout_is_told_and_when_it_ends(outsider):
    event = latchwork.Event()
    before = time.time()
    with thread(event.wait, LONG) as one:
        waiters(event, 1)
        (who,) = same_for_all(event, outsider).waiters
        event.set()
    assert (who.pid, who.thread) == (os.getpid(), one.native_id)
    assert who.until - who.since == pytest.approx(LONG, abs=1)
    assert before <= who.since <= time.time()


def test_a_timeout_beyond_all_measure_is_for_ever():
    event = latchwork.Event()
    for timeout in (4.1e9, 1e300, float("inf"), None):
        with thread(event.wait, timeout):
            (who,) = waiters(event, 1)
            event.set()
        assert who.until is None
        event.clear()
    with thread(event.wait, 3.9e9):
        (who,) = waiters(event, 1)
        event.set()
    assert who.until > time.time() + 3.8e9


def wait_in_a_function_of_its_own(event):
    event.wait(LONG)


def test_one_that_waits_for_long_says_in_which_line(outsider, soon):
    event = latchwork.Event()
    with thread(wait_in_a_function_of_its_own, event, name="the worker"):
        until(lambda: waiters(event, 1)[0].stack)
        (who,) = same_for_all(event, outsider).waiters
        event.set()
    assert who.thread_name == "the worker"
    line = wait_in_a_function_of_its_own.__code__.co_firstlineno + 1
    assert who.line == f"{__file__}:{line} in wait_in_a_function_of_its_own"
    assert any("threading.py" in place for place in who.stack[1:])


def test_a_short_wait_says_nothing_of_the_one_before(soon):
    """Notes are kept beside an entry, and a thread takes the one again that it had before."""
    long, short = latchwork.Event(), latchwork.Event()

    def wait_twice():
        wait_in_a_function_of_its_own(long)
        short.wait(LONG)

    with thread(wait_twice):
        until(lambda: waiters(long, 1)[0].stack)
        latchwork.configure(look_after=1000)
        long.set()
        (who,) = waiters(short, 1)
        assert (who.thread_name, who.stack) == (None, ())
        short.set()


def test_all_of_a_crowd_are_seen(outsider):
    """More than there is room for at first."""
    event = latchwork.Event()
    crowd = [threading.Thread(target=event.wait, args=(LONG,)) for _ in range(300)]
    for one in crowd:
        one.start()
    waiters(event, 300)
    seen = same_for_all(event, outsider).waiters
    event.set()
    for one in crowd:
        one.join(LONG)
    assert {who.thread for who in seen} == {one.native_id for one in crowd}
    assert [who.since for who in seen] == sorted(who.since for who in seen)
    assert program.arena().unseen() == 0


# --- several at once ----------------------------------------------------------------------------------


def test_who_waits_for_several_is_seen_at_each(outsider, soon):
    event, lock, latch = latchwork.Event(), latchwork.Lock(), latchwork.Latch(1)
    lock.acquire()
    with thread(latchwork.wait, [event, lock, latch], LONG) as one:
        for primitive in (event, lock, latch):
            until(lambda primitive=primitive: waiters(primitive, 1)[0].stack)
            (who,) = same_for_all(primitive, outsider).waiters
            assert (who.thread, who.wants) == (one.native_id, "wait")
            assert who.until > time.time()
        latch.count_down()
    assert waiting() == []
    lock.release()


def test_of_very_many_the_first_are_enough():
    events = [latchwork.Event() for _ in range(200)]
    with thread(latchwork.wait, events, LONG):
        until(lambda: len(waiting()) == 64)
        events[-1].set()
    assert waiting() == []


# --- whatever it has to tell -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["with\na newline", "\udcff\udcfe", "x" * 10_000, "ü" * 100, ""])
def test_any_name_of_a_thread_can_be_told(name, soon):
    event = latchwork.Event()
    with thread(wait_in_a_function_of_its_own, event, name=name):
        until(lambda: waiters(event, 1)[0].stack)
        (who,) = waiters(event, 1)
        event.set()
    assert who.line.endswith("in wait_in_a_function_of_its_own")
    expected = name.replace("\n", " ").encode("utf-8", "replace")[:60].decode("utf-8", "ignore")
    assert (who.thread_name or "") == expected or not name


def test_a_path_that_is_too_long_keeps_its_end(tmp_path, soon):
    place = tmp_path / ("d" * 200)
    place.mkdir()
    file = place / ("f" * 150 + "\n\udcff.py")
    event = latchwork.Event()
    scope = {"event": event}
    exec(compile("def outer():\n event.wait(60)\n", str(file), "exec"), scope)
    with thread(scope["outer"]):
        until(lambda: waiters(event, 1)[0].stack)
        (who,) = waiters(event, 1)
        event.set()
    assert who.line.startswith("...")
    assert who.line.endswith("fff ?.py:2 in outer")
    assert len(who.line.encode()) <= 180


def test_an_owner_that_is_not_a_main_thread_is_that_thread(outsider):
    lock = latchwork.RLock()
    here, there = FORK.Pipe()
    child = FORK.Process(target=on_a_thread, args=(lock, there))
    child.start()
    tid = here.recv()
    seen = same_for_all(lock, outsider)
    child.kill()
    child.join()
    assert (seen.owner.pid, seen.owner.thread) == (child.pid, tid)
    assert tid != child.pid


def on_a_thread(lock, conn):
    worker = threading.Thread(target=hold, args=(lock, conn))
    worker.start()
    worker.join()


def hold(lock, conn):
    lock.acquire()
    conn.send(threading.get_native_id())
    threading.Event().wait()
