"""wait(): several primitives and file descriptors at once; nothing is taken."""

import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest
from actors import SOON, asleep, heard, hold

import latchwork
from latchwork import _core

KINDS = {
    "Event": (latchwork.Event, lambda it: it.set()),
    "Latch": (lambda: latchwork.Latch(1), lambda it: it.count_down()),
    "Lock": (latchwork.Lock, lambda it: it.release()),
    "RLock": (latchwork.RLock, None),
    "Semaphore": (lambda: latchwork.Semaphore(0), lambda it: it.release()),
    "BoundedSemaphore": (latchwork.BoundedSemaphore, lambda it: it.release()),
}


def unready(kind):
    made = KINDS[kind][0]()
    if kind in ("Lock", "BoundedSemaphore"):
        made.acquire()
    return made


def wait_and_say(items, said, timeout=SOON):
    said.send("waiting")
    ready = latchwork.wait(items, timeout)
    said.send([items.index(item) for item in ready])


def waiting(ctx, items):
    """A process asleep in wait()."""
    said, say = multiprocessing.Pipe()
    process = ctx.Process(target=wait_and_say, args=(items, say))
    process.start()
    assert heard(said) == "waiting"
    asleep(process.pid)
    return process, said


@pytest.fixture
def fork():
    return latchwork.get_context("fork")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][1]])
def test_it_wakes_for_the_one_that_gets_ready(fork, kind, no_net):
    items = [latchwork.Event(), unready(kind), latchwork.Latch(3)]
    process, said = waiting(fork, items)
    KINDS[kind][1](items[1])
    assert heard(said) == [1]
    process.join()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_ready_at_first_is_returned_at_once_and_nothing_is_taken(kind):
    made = KINDS[kind][0]()
    if kind in ("Event", "Latch", "Semaphore"):
        KINDS[kind][1](made)
    before = repr(made)
    assert latchwork.wait([latchwork.Event(), made]) == [made]
    assert repr(made) == before


def test_all_that_are_ready_are_returned_in_their_order():
    events = [latchwork.Event() for _ in range(300)]
    for index in (299, 7, 150):
        events[index].set()
    assert latchwork.wait(events) == [events[7], events[150], events[299]]
    assert latchwork.wait([events[7], events[7]]) == [events[7], events[7]]


@pytest.mark.parametrize("last", [0, 126, 127, 128, 254, 255, 599])
def test_more_words_than_the_kernel_takes_at_once(fork, last, no_net):
    events = [latchwork.Event() for _ in range(600)]
    process, said = waiting(fork, events)
    events[last].set()
    assert heard(said) == [last]
    process.join()


def test_no_thread_is_left_behind():
    events = [latchwork.Event() for _ in range(600)]
    before = len(os.listdir("/proc/self/task"))
    files = len(os.listdir("/proc/self/fd"))
    reader, _writer = os.pipe()
    assert latchwork.wait([*events, reader], 0.05) == []
    assert len(os.listdir("/proc/self/task")) == before
    os.close(reader)
    os.close(_writer)
    assert len(os.listdir("/proc/self/fd")) == files


def test_waiting_costs_no_processor_time():
    events = [latchwork.Event() for _ in range(200)]
    reader, writer = os.pipe()
    before = time.process_time()
    assert latchwork.wait([*events, reader], 1) == []
    assert time.process_time() - before < 0.1
    os.close(reader)
    os.close(writer)


def test_file_descriptors_connections_sockets_and_sentinels(fork):
    event = latchwork.Event()
    here, there = multiprocessing.Pipe()
    left, right = socket.socketpair()
    process = fork.Process(target=event.wait)
    process.start()
    items = [event, here, left, process.sentinel]
    assert latchwork.wait(items, 0) == []
    there.send(1)
    assert latchwork.wait(items) == [here]
    right.send(b"x")
    assert latchwork.wait(items) == [here, left]
    event.set()
    process.join()
    assert latchwork.wait(items) == items
    left.close()
    right.close()


@pytest.mark.parametrize("count", [1, 300])
def test_a_file_wakes_it_from_among_primitives_and_the_other_way_round(fork, count, no_net):
    for which in ("file", "event"):
        here, there = multiprocessing.Pipe()
        items = [here, *(latchwork.Event() for _ in range(count))]
        said, say = multiprocessing.Pipe()
        process = fork.Process(target=wait_and_say, args=(items, say))
        process.start()
        assert heard(said) == "waiting"
        if which == "file":
            there.send("x")
        else:
            items[-1].set()
        assert heard(said) == [0 if which == "file" else count]
        process.join()


def test_a_lock_is_ready_when_its_owner_is_killed(fork, no_net):
    lock, event = latchwork.Lock(), latchwork.Event()
    said, say = multiprocessing.Pipe()
    owner = fork.Process(target=hold, args=(lock, say))
    owner.start()
    assert heard(said) == "held"
    process, said = waiting(fork, [event, lock])
    os.kill(owner.pid, signal.SIGKILL)
    assert heard(said) == [1]
    process.join()


def test_permits_are_ready_when_their_holder_is_killed(fork, no_net):
    permits, event = latchwork.BoundedSemaphore(1), latchwork.Event()
    said, say = multiprocessing.Pipe()
    owner = fork.Process(target=hold, args=(permits, say))
    owner.start()
    assert heard(said) == "held"
    process, said = waiting(fork, [event, permits])
    os.kill(owner.pid, signal.SIGKILL)
    assert heard(said) == [1]
    process.join()


def test_an_event_set_and_cleared_at_once_counts_as_for_its_own_wait(fork):
    events = [latchwork.Event(), latchwork.Event()]
    process, said = waiting(fork, events)
    events[1].set()
    events[1].clear()
    assert heard(said) == [1]
    process.join()


@pytest.mark.parametrize("kind", ["Lock", "Semaphore"])
def test_it_takes_no_wake_from_those_that_acquire(fork, kind, no_net):
    """Without the re-check, a release that only woke the one that takes nothing would be a hang."""
    for _ in range(20):
        it = unready(kind)
        watcher, seen = waiting(fork, [it, latchwork.Event()])
        taker = fork.Process(target=it.acquire)
        taker.start()
        asleep(taker.pid)
        it.release()
        taker.join(SOON)
        assert taker.exitcode == 0, "the wake was swallowed"
        # It may have been too late to see it free; when the taker has ended a Lock is free again.
        if kind == "Semaphore":
            it.release()
        assert heard(seen) == [0]
        watcher.join()


def test_an_rlock_that_this_thread_has_is_ready_for_it_and_for_no_other():
    lock = latchwork.RLock()
    with lock:
        assert latchwork.wait([lock], 0) == [lock]
        other = []
        thread = threading.Thread(target=lambda: other.append(latchwork.wait([lock], 0.05)))
        thread.start()
        thread.join()
        assert other == [[]]


def test_the_timeout_is_kept_and_zero_only_looks():
    event = latchwork.Event()
    before = time.monotonic()
    assert latchwork.wait([event], 0.15) == []
    assert time.monotonic() - before >= 0.15
    assert latchwork.wait([event], 0) == latchwork.wait([event], -1) == []


def test_nothing_to_wait_for_is_nothing_ready():
    assert latchwork.wait([]) == []


def test_an_exception_out_of_a_signal_handler_ends_it():
    def handler(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for items in ([latchwork.Event()], [latchwork.Event() for _ in range(300)]):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                latchwork.wait(items, SOON)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_it_works_where_the_kernel_lacks_futex_waitv(fork):
    _core.forbid_waitv(True)
    try:
        for kind in ("Event", "Lock", "BoundedSemaphore"):
            it = unready(kind)
            here, _there = multiprocessing.Pipe()
            said, say = multiprocessing.Pipe()
            process = fork.Process(target=wait_and_say, args=([it, here], say))
            process.start()
            assert heard(said) == "waiting"
            KINDS[kind][1](it)
            assert heard(said) == [0]
            process.join()
    finally:
        _core.forbid_waitv(False)


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (latchwork.Barrier(2), TypeError),
        (latchwork.Condition(), TypeError),
        (latchwork.RWLock(), TypeError),
        ("event", TypeError),
        (True, TypeError),
        (1 << 20, OSError),
    ],
)
def test_what_cant_be_waited_for_is_refused(item, error):
    with pytest.raises(error):
        latchwork.wait([latchwork.Event(), item], 1)
