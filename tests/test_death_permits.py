"""Permits with owners come back from the dead, at once; those of nobody don't."""

import logging
import os
import pickle
import signal
import threading
import time

import pytest
from actors import METHODS, SOON, heard
from party import FORK, Party

import latchwork
from latchwork import _core


@pytest.fixture
def pool():
    return latchwork.BoundedSemaphore(2)


def taken_by(party, pool, count):
    for _ in range(count):
        assert party.does(pool, "acquire").result is True


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_holders_permit_goes_to_one_that_waits(method, no_net):
    pool = latchwork.BoundedSemaphore(1)
    holder, waiter = Party(latchwork.get_context(method)), Party()
    taken_by(holder, pool, 1)
    waiter.begins(pool, "acquire")
    holder.kill()
    assert waiter.says().result is True
    assert pool.get_value() == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_waiter_of_any_start_method_is_told(method):
    pool = latchwork.BoundedSemaphore(1)
    waiter = Party(latchwork.get_context(method))
    holder = Party()
    taken_by(holder, pool, 1)
    waiter.begins(pool, "acquire")
    holder.kill()
    assert waiter.says().result is True


def test_three_permits_of_one_dead_process_serve_three_that_wait(no_net, caplog):
    pool = latchwork.BoundedSemaphore(3)
    holder = Party()
    taken_by(holder, pool, 3)
    waiters = [Party().begins(pool, "acquire") for _ in range(3)]
    holder.kill()
    for waiter in waiters:
        assert waiter.says().result is True
    assert pool.get_value() == 0
    for waiter in waiters:
        assert waiter.does(pool, "release").result is None
    assert pool.get_value() == 3


def test_what_came_back_is_logged_with_pid_and_number(pool, caplog):
    holder = Party()
    taken_by(holder, pool, 2)
    holder.gone()
    with caplog.at_level(logging.WARNING, "latchwork"):
        assert pool.acquire(block=False)
    assert f"process {holder.pid} died while it held 2 of its permits" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "latchwork"):
        assert pool.acquire(block=False)
    assert caplog.text == ""


def test_a_late_release_of_what_came_back_is_forgiven_once_each(pool):
    holder = Party()
    taken_by(holder, pool, 2)
    holder.gone()
    assert pool.get_value() == 2
    pool.release()
    pool.release()
    assert pool.get_value() == 2
    with pytest.raises(ValueError, match="too many times"):
        pool.release()


def test_permits_are_had_in_order(pool, no_net):
    holder = Party()
    taken_by(holder, pool, 2)
    first, second, third = (Party().begins(pool, "acquire") for _ in range(3))
    holder.does(pool, "release")
    assert first.says().result is True
    assert second.is_silent()
    first.kill()
    assert second.says().result is True
    assert third.is_silent()
    holder.kill()
    assert third.says().result is True


def test_a_killed_waiter_costs_nobody_anything(pool, no_net):
    holder = Party()
    taken_by(holder, pool, 2)
    victims = [Party().begins(pool, "acquire") for _ in range(3)]
    survivor = Party().begins(pool, "acquire")
    for victim in victims:
        victim.kill()  # dying or dead: those behind them watch them
    holder.does(pool, "release")
    assert survivor.says().result is True
    assert pool.get_value() == 0


def acquire_on_threads(conn, pool, count):
    def acquire():
        pool.acquire()
        conn.send("had")

    threads = [threading.Thread(target=acquire) for _ in range(count)]
    for thread in threads:
        thread.start()
    conn.send("waiting")
    for thread in threads:
        thread.join()


def test_two_threads_of_a_killed_process_in_the_queue_are_passed_over(pool, no_net):
    holder = Party()
    taken_by(holder, pool, 2)
    said, saying = FORK.Pipe()
    victim = FORK.Process(target=acquire_on_threads, args=(saying, pool, 2))
    victim.start()
    assert heard(said) == "waiting"
    for task in os.listdir(f"/proc/{victim.pid}/task"):
        sleeping(victim.pid, int(task))
    survivor = Party().begins(pool, "acquire")
    os.kill(victim.pid, signal.SIGKILL)
    holder.does(pool, "release")
    assert survivor.says().result is True
    assert not said.poll()


def sleeping(pid, task):
    """As actors.asleep, a thread."""
    end = time.monotonic() + SOON
    while True:
        with open(f"/proc/{pid}/task/{task}/syscall") as syscall:
            if syscall.read().split()[0] in ("202", "98", "449"):
                return
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_stopped_holder_is_not_dead(pool):
    holder = Party()
    taken_by(holder, pool, 2)
    holder.stop()
    assert pool.acquire(timeout=1.3) is False  # longer than any re-check
    assert pool.get_value() == 0
    holder.kill()
    assert pool.acquire(timeout=SOON)


def test_a_process_that_just_ends_gives_its_permits_back(pool):
    holder = Party()
    taken_by(holder, pool, 2)
    holder.ends()
    assert pool.get_value() == 2
    assert pool.acquire(block=False)


def test_a_forked_child_has_none_of_its_parents_permits():
    pool = latchwork.Semaphore(1, owned=True)
    pool.acquire()
    child = Party()
    assert child.does(pool, "release").result is ValueError
    assert child.does(pool, "acquire", False).result is False
    child.gone()
    assert pool.get_value() == 0
    pool.release()
    assert pool.get_value() == 1


def test_of_an_owned_semaphore_only_an_owner_may_release():
    semaphore = latchwork.Semaphore(2, owned=True)
    owner, other = Party(), Party()
    taken_by(owner, semaphore, 1)
    with pytest.raises(ValueError, match="too many times"):
        semaphore.release()
    taken_by(other, semaphore, 1)
    assert other.does(semaphore, "release", 2).result is ValueError
    assert semaphore.get_value() == 0
    owner.gone()
    assert semaphore.get_value() == 1
    with pytest.raises(ValueError, match="too many times"):
        semaphore.release()  # not even one that came back
    assert other.does(semaphore, "release").result is None
    assert semaphore.get_value() == 2


def test_permits_that_belong_to_nobody_die_with_who_took_them():
    semaphore = latchwork.Semaphore(2)
    taker = Party()
    taken_by(taker, semaphore, 2)
    taker.gone()
    assert semaphore.get_value() == 0
    semaphore.release()
    assert semaphore.acquire(block=False)


def test_a_killed_waiter_of_a_semaphore_of_nobody_loses_no_permit(no_net):
    semaphore = latchwork.Semaphore(0)
    victim = Party().begins(semaphore, "acquire")
    survivor = Party().begins(semaphore, "acquire")
    victim.gone()
    semaphore.release()
    assert survivor.says().result is True


def test_a_killed_waiter_of_a_latch_costs_nobody_anything(no_net):
    latch = latchwork.Latch(2)
    victim, survivor = Party().begins(latch, "wait"), Party().begins(latch, "wait")
    victim.kill()
    latch.count_down(2)
    assert survivor.says().result is True


def test_what_two_that_die_at_once_held_is_all_told(no_net):
    """One sleeper may be woken by both deaths and hear of one: it tells those who wait for the other."""
    for _ in range(10):
        pool, lock = latchwork.BoundedSemaphore(2), latchwork.Lock()
        one, two, both, other = Party(), Party(), Party(), Party()
        taken_by(one, pool, 1)
        taken_by(two, pool, 1)
        one.does(lock, "acquire")
        both.begins(pool, "acquire")  # the kernel tells the one that slept first
        other.begins(lock, "acquire")
        for party in (one, two, both):
            os.sched_setaffinity(party.pid, {min(os.sched_getaffinity(0))})
        os.sched_setscheduler(both.pid, os.SCHED_BATCH, os.sched_param(0))  # it comes after them
        one.kill()
        two.kill()
        assert both.says().result is True
        assert other.says().result is True


@pytest.fixture
def no_waitv():
    _core.forbid_waitv(True)
    yield
    _core.forbid_waitv(False)


def test_a_killed_holders_permits_come_back_without_futex_waitv(pool, no_waitv):
    holder = Party()
    taken_by(holder, pool, 2)
    waiters = [Party().begins(pool, "acquire") for _ in range(3)]
    holder.kill()
    assert [waiter.says().result for waiter in waiters[:2]] == [True, True]
    waiters[0].kill()
    assert waiters[2].says().result is True


def take_on_a_thread(conn, data, name):
    """This main thread never runs Python again: no alive word can be had."""

    def use():
        getattr(pickle.loads(data), name)()
        conn.send("held")
        signal.pause()

    threading.Thread(target=use, daemon=True).start()
    threading.Event().wait()


@pytest.mark.parametrize(
    ("make", "take", "wanted"),
    [
        (latchwork.RLock, "acquire", "acquire"),
        (latchwork.BoundedSemaphore, "acquire", "acquire"),
        (latchwork.RWLock, "acquire_write", "acquire_write"),
        (latchwork.RWLock, "acquire_write", "acquire_read"),
        (latchwork.RWLock, "acquire_read", "acquire_write"),
    ],
)
@pytest.mark.parametrize("block", [True, False])
def test_the_dead_are_found_whose_main_thread_never_came_by(make, take, wanted, block):
    """By pid and start time, also by one that does not wait."""
    it = make()
    spawn = latchwork.get_context("spawn")
    said, saying = spawn.Pipe()
    holder = spawn.Process(target=take_on_a_thread, args=(saying, pickle.dumps(it), take))
    holder.start()
    assert heard(said) == "held"
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert getattr(it, wanted)(block=block, timeout=SOON)
