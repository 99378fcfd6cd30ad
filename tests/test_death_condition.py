"""A death swallows no notification; and what an RLock's owner leaves is had at depth one."""

import logging
import os
import signal
from multiprocessing.connection import wait

import pytest
from actors import METHODS, SOON, asleep
from party import FORK, Party

import latchwork
from latchwork import _core


class Using:
    """What a party does with a condition; its own lock is taken for the time of it."""

    def __init__(self, condition):
        self.condition = condition

    def wait(self, timeout=None):
        with self.condition:
            return self.condition.wait(timeout)

    def notify(self, count=1):
        with self.condition:
            self.condition.notify(count)

    @property
    def abandoned(self):
        return self.condition._lock.abandoned


@pytest.fixture(params=[latchwork.Lock, latchwork.RLock])
def condition(request):
    return latchwork.Condition(request.param())


@pytest.fixture
def using(condition):
    return Using(condition)


@pytest.mark.parametrize("method", METHODS)
def test_a_chosen_one_that_is_killed_before_it_gets_the_lock_is_replaced_at_once(method, no_net):
    """The notifier keeps the lock all the while."""
    condition = latchwork.Condition()
    using = Using(condition)
    chosen = Party(latchwork.get_context(method)).begins(using, "wait")
    survivor, last = Party().begins(using, "wait"), Party().begins(using, "wait")
    with condition:
        condition.notify()
        chosen.sleeps()  # for the lock
        chosen.kill()
        while condition._waiting() > 1:
            pass  # a hang, if nobody is chosen in its place: the lock is still here
    assert survivor.says().result is True
    assert last.is_silent()
    using.notify()
    assert last.says().result is True


def test_a_killed_waiter_is_not_chosen(condition, using, no_net):
    victim, survivor = Party().begins(using, "wait"), Party().begins(using, "wait")
    victim.gone()
    using.notify()
    assert survivor.says().result is True


def test_notifications_for_several_reach_as_many_of_the_living(condition, using, no_net):
    parties = [Party().begins(using, "wait") for _ in range(5)]
    with condition:
        condition.notify(2)
        for victim in parties[:2]:
            victim.sleeps()
            victim.kill()
        while condition._waiting() > 1:
            pass
    assert [party.says().result for party in parties[2:4]] == [True, True]
    assert parties[4].is_silent()


def test_a_notifier_killed_with_the_lock_leaves_an_abandoned_lock(condition, using, no_net, caplog):
    waiter = Party().begins(using, "wait")
    notifier = Party()
    notifier.does(condition, "acquire")
    notifier.does(condition, "notify")
    waiter.sleeps()  # for the lock
    notifier.kill()
    assert waiter.says().result is True
    with caplog.at_level(logging.WARNING, "latchwork"), condition:
        assert not condition._lock.abandoned
    assert caplog.text == ""


def test_who_gets_the_lock_back_from_a_dead_one_is_told(caplog):
    condition = latchwork.Condition()
    other = Party()
    with condition:
        other.asked(condition, "acquire")  # gets it while this one waits, and is killed with it
        other.sleeps()

        def kill(*_):
            other.kill()

        before = signal.signal(signal.SIGALRM, kill)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with caplog.at_level(logging.WARNING, "latchwork"):
                assert condition.wait(0.3) is False
        finally:
            signal.signal(signal.SIGALRM, before)
        assert condition._lock.abandoned
    assert f"process {other.pid} died while it held this lock" in caplog.text
    assert not condition._lock.locked()


def test_a_stopped_chosen_one_keeps_what_it_was_chosen_for(condition, using):
    """It is not dead: the notification waits for it, and nobody else is woken."""
    stopped, other = Party().begins(using, "wait"), Party().begins(using, "wait")
    stopped.stop()
    using.notify()
    assert other.is_silent(1.3)  # longer than any re-check
    stopped.goes_on()
    assert stopped.says().result is True
    using.notify()
    assert other.says().result is True


def test_a_stopped_chosen_one_that_is_killed_is_replaced(condition, using, no_net):
    stopped, other = Party().begins(using, "wait"), Party().begins(using, "wait")
    stopped.stop()
    using.notify()
    stopped.kill()
    assert other.says().result is True


def test_a_forked_child_of_a_waiter_takes_nothing_from_it(using, no_net):
    """The chosen one's child dies, not the chosen one."""
    waiter = Party(FORK, lambda: os.fork() or os._exit(0)).begins(using, "wait")
    using.notify()
    heard = waiter.says()
    assert isinstance(heard, int)  # the child's pid
    assert waiter.says().result is True


def test_the_dead_are_replaced_without_futex_waitv(condition, using):
    _core.forbid_waitv(True)
    try:
        chosen, survivor = Party().begins(using, "wait"), Party().begins(using, "wait")
        with condition:
            condition.notify()
            chosen.sleeps()
            chosen.kill()
        assert survivor.says().result is True
    finally:
        _core.forbid_waitv(False)


@pytest.mark.parametrize("method", METHODS)
def test_an_rlock_of_depth_three_is_had_at_depth_one_from_its_dead_owner(method, no_net, caplog):
    lock = latchwork.RLock()
    owner, waiter = Party(latchwork.get_context(method)), Party()
    for _ in range(3):
        assert owner.does(lock, "acquire").result is True
    assert owner.does(lock, "_count").result == 3
    waiter.begins(lock, "acquire")
    owner.kill()
    told = waiter.says()
    assert (told.result, told.abandoned) == (True, True)
    assert waiter.does(lock, "_count").result == 1
    assert waiter.does(lock, "release").result is None
    with caplog.at_level(logging.WARNING, "latchwork"), lock:
        assert not lock.abandoned
    assert caplog.text == ""


def test_an_rlock_taken_over_is_abandoned_until_its_last_level_is_given_back(caplog):
    lock = latchwork.RLock()
    owner = Party()
    owner.does(lock, "acquire")
    owner.gone()
    assert not lock.locked()
    with caplog.at_level(logging.WARNING, "latchwork"):
        assert lock.acquire(block=False)
    assert f"process {owner.pid} died" in caplog.text
    with lock:
        assert lock.abandoned
    assert lock.abandoned
    lock.release()
    with lock:
        assert not lock.abandoned


def test_an_rlocks_dead_owners_thread_is_nobodys_in_another_process():
    """A forked child has the thread's number space, and not its lock."""
    lock = latchwork.RLock()
    lock.acquire()
    child = Party()
    assert child.does(lock, "_is_mine").result is False
    assert child.does(lock, "acquire", False).result is False
    assert child.does(lock, "release").result is latchwork.NotOwnedError
    lock.release()
    assert child.does(lock, "acquire", False).result is True
    child.ends()
    assert lock.acquire(timeout=SOON)
    assert lock.abandoned


def test_a_killed_waiter_of_an_rlock_costs_nobody_anything(no_net):
    lock = latchwork.RLock()
    lock.acquire()
    victim, survivor = Party().begins(lock, "acquire"), Party().begins(lock, "acquire")
    victim.gone()  # while it is dying a release may still wake it: that is left to the re-check
    lock.release()
    told = survivor.says()
    assert (told.result, told.abandoned) == (True, False)


class Dying:
    def __init__(self, lock):
        self.lock = lock

    def release(self):
        self.lock.release()
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("make", [latchwork.Lock, latchwork.RLock])
def test_an_owner_that_releases_and_dies_at_once_loses_nobodys_wake_up(make, no_net):
    """Woken by both, a sleeper hears of the death only; it must still pass the release's wake on."""
    for _ in range(20):
        lock = make()
        owner, *sleepers = Party(), Party(), Party()
        owner.does(lock, "acquire")
        for sleeper in sleepers:
            sleeper.begins(lock, "acquire")
        for party in (owner, sleepers[0]):
            os.sched_setaffinity(party.pid, {min(os.sched_getaffinity(0))})
        os.sched_setscheduler(sleepers[0].pid, os.SCHED_BATCH, os.sched_param(0))
        owner.asked(Dying(lock), "release")
        first = wait([sleeper.conn for sleeper in sleepers], SOON)
        assert first, "nobody got it"
        if sleepers[0].conn not in first:
            sleepers.reverse()
        assert sleepers[0].says().result is True
        asleep(sleepers[1].pid)
        assert sleepers[0].does(lock, "release").result is None
        assert sleepers[1].says().result is True
