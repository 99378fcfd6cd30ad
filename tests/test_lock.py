"""Lock: what multiprocessing.Lock promises, and what it does not."""

import multiprocessing
import threading
import time

import pytest

import latchwork


@pytest.fixture
def lock():
    return latchwork.Lock()


def test_it_is_free_at_first_and_held_after_acquire(lock):
    assert not lock.locked()
    assert lock.acquire() is True
    assert lock.locked()
    lock.release()
    assert not lock.locked()


def test_with_holds_it_and_gives_true(lock):
    with lock as entered:
        assert entered is True
        assert lock.locked()
    assert not lock.locked()


def test_an_exception_in_the_body_releases_it(lock):
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert not lock.locked()


def test_releasing_a_free_lock_is_a_value_error_as_in_multiprocessing(lock):
    with pytest.raises(ValueError, match="nobody holds"):
        lock.release()
    with pytest.raises(ValueError, match="released"):
        multiprocessing.Lock().release()
    assert lock.acquire(block=False)


def test_it_is_not_recursive(lock):
    with lock:
        assert lock.acquire(block=False) is False
        assert lock.acquire(timeout=0.01) is False


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5, -1e9])
def test_zero_and_negative_timeouts_try_once(lock, timeout):
    assert lock.acquire(True, timeout)
    assert lock.acquire(True, timeout) is False
    assert lock.acquire(timeout=timeout) is False


def test_a_timeout_is_kept(lock):
    lock.acquire()
    before = time.monotonic()
    assert lock.acquire(timeout=0.15) is False
    assert time.monotonic() - before >= 0.15


@pytest.mark.parametrize("timeout", [None, 1, 1.5, 1e18, float("inf")])
def test_a_free_lock_is_had_with_any_timeout(lock, timeout):
    assert lock.acquire(True, timeout)


def test_the_spelling_of_threading_is_accepted(lock):
    assert lock.acquire(blocking=True, timeout=-1)
    assert lock.acquire(blocking=False) is False
    assert lock.acquire(blocking=True, timeout=0.01) is False
    with pytest.raises(ValueError, match="non-blocking"):
        lock.acquire(blocking=False, timeout=1)
    with pytest.raises(ValueError, match="non-negative"):
        lock.acquire(blocking=True, timeout=-2)


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ((True, None, 1), {}, TypeError),
        ((), {"wait": True}, TypeError),
        ((True,), {"block": True}, TypeError),
        ((True,), {"blocking": True}, TypeError),
        ((True, "soon"), {}, TypeError),
        ((True, float("nan")), {}, ValueError),
    ],
)
def test_a_wrong_call_changes_nothing(lock, args, kwargs, error):
    with pytest.raises(error):
        lock.acquire(*args, **kwargs)
    assert not lock.locked()


def test_threads_of_one_process_exclude_each_other(lock):
    inside, worst = 0, 0

    def hammer():
        nonlocal inside, worst
        for _ in range(2000):
            with lock:
                inside += 1
                worst = max(worst, inside)
                inside -= 1

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == 1


def test_any_thread_may_release_it(lock):
    lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert lock.acquire(block=False)


def test_the_end_of_a_thread_is_not_a_death(lock):
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    assert lock.locked()
    assert lock.acquire(timeout=0.05) is False
    lock.release()


def test_its_repr_says_who_holds_it(lock):
    assert repr(lock) == "<Lock free>"
    with lock:
        assert "held by pid" in repr(lock)


def test_it_serves_multiprocessings_condition(lock):
    condition = multiprocessing.Condition(lock)
    with condition:
        assert condition.wait(0.01) is False
        condition.notify_all()
    assert not lock.locked()


def test_users_may_subclass_it():
    class Named(latchwork.Lock):
        def __init__(self):
            self.note = "mine"

    lock = Named()
    with lock:
        assert lock.locked()
        assert lock.note == "mine"


def test_it_can_be_referred_to_weakly(lock):
    import weakref

    assert weakref.ref(lock)() is lock
