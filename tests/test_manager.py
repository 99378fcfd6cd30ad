"""Manager: primitives without a server; the server's part only when it is asked for."""

import multiprocessing
import os
import signal

import pytest
from actors import METHODS, SOON, set_it

import latchwork


def put(shared, event):
    shared["key"] = os.getpid()
    event.set()


def test_primitives_need_no_server():
    with latchwork.Manager() as manager:
        event, lock = manager.Event(), manager.Lock()
        assert type(event) is latchwork.Event
        assert type(lock) is latchwork.Lock
        with lock:
            event.set()
        assert event.is_set()
        assert getattr(manager, "_process", None) is None


@pytest.mark.parametrize("method", METHODS)
def test_its_event_crosses_every_start_method(method):
    ctx = latchwork.get_context(method)
    with ctx.Manager() as manager:
        event = manager.Event()
        child = ctx.Process(target=set_it, args=(event,))
        child.start()
        assert event.wait(SOON)
        child.join(SOON)


@pytest.mark.parametrize("method", METHODS)
def test_the_servers_types_start_it_and_work(method):
    ctx = latchwork.get_context(method)
    with ctx.Manager() as manager:
        shared, event = manager.dict(), manager.Event()
        child = ctx.Process(target=put, args=(shared, event))
        child.start()
        assert event.wait(SOON)
        child.join(SOON)
        assert shared["key"] == child.pid
        assert list(manager.list([1, 2])) == [1, 2]
        assert manager.Value("i", 3).value == 3
        assert manager.Namespace(x=1).x == 1
        queue = manager.Queue()
        queue.put(manager.Lock())
        assert queue.get().acquire(block=False)
        assert manager.Array("i", [1])[0] == 1
        with manager.Pool(1) as pool:
            assert pool.apply(os.getpid) > 0
        shared["event"] = event
        assert shared["event"].is_set()


def test_primitives_outlive_the_server():
    manager = latchwork.Manager()
    event, lock = manager.Event(), manager.Lock()
    shared = manager.dict()
    os.kill(manager._process.pid, signal.SIGKILL)
    manager._process.join()
    with lock:
        event.set()
    assert event.wait(0)
    with pytest.raises((OSError, EOFError)):
        shared["key"] = 1
    assert manager.Lock().acquire(block=False)


class Counter:
    def __init__(self):
        self.value = 0

    def add(self):
        self.value += 1
        return self.value


def test_registered_types_work():
    from latchwork.managers import LocalManager

    class Mine(LocalManager):
        pass

    Mine.register("Counter", Counter)
    with Mine() as manager:
        counter = manager.Counter()
        assert (counter.add(), counter.add()) == (1, 2)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("what", ["Lock", "Event", "dict"])
def test_after_shutdown_nothing_new_is_to_be_had_as_in_multiprocessing(started, what):
    for make in (latchwork.Manager, multiprocessing.Manager):
        manager = make()
        if started:
            manager.dict()
        manager.shutdown()
        with pytest.raises(AssertionError):
            getattr(manager, what)()
        with pytest.raises((AssertionError, multiprocessing.ProcessError)):
            manager.__enter__()


def test_what_was_handed_out_goes_on_after_shutdown():
    with latchwork.Manager() as manager:
        lock = manager.Lock()
    with lock:
        assert lock.locked()
