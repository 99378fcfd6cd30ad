"""An exception out of a signal handler ends any wait: it takes nothing, and loses nobody's wake-up."""

import contextlib
import os
import signal
import threading
import time

import pytest
from actors import SOON
from party import FORK, Party
from test_death_condition import Using

import latchwork


class Interrupted(Exception):
    pass


def interrupt(*_):
    raise Interrupted


def ready():
    signal.signal(signal.SIGUSR1, interrupt)
    signal.signal(signal.SIGUSR2, lambda *_: None)


def party():
    """One whose waits a SIGUSR1 ends."""
    made = Party(FORK, ready)
    made.says()
    return made


class Pool:
    """What each kind of wait needs: one holds, others wait, and then it is given back."""

    make = staticmethod(latchwork.BoundedSemaphore)
    take, give = "acquire", "release"

    def __init__(self):
        self.it = self.make()

    def is_free(self):
        return getattr(self.it, self.take)(block=False)


class Nobodys(Pool):
    make = staticmethod(latchwork.Semaphore)


class Recursive(Pool):
    make = staticmethod(latchwork.RLock)


class Written(Pool):
    make = staticmethod(latchwork.RWLock)
    take, give = "acquire_write", "release_write"


KINDS = [Pool, Nobodys, Recursive, Written]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__.lower())
def pool(request):
    return request.param()


def test_an_interrupted_wait_takes_nothing(pool):
    assert getattr(pool.it, pool.take)()
    waiter = party().begins(pool.it, pool.take)
    os.kill(waiter.pid, signal.SIGUSR1)
    assert waiter.says().result is Interrupted
    getattr(pool.it, pool.give)()
    assert pool.is_free()


def test_a_handler_that_returns_does_not_end_a_wait(pool):
    assert getattr(pool.it, pool.take)()
    waiter = party().begins(pool.it, pool.take)
    os.kill(waiter.pid, signal.SIGUSR2)
    assert waiter.is_silent()
    getattr(pool.it, pool.give)()
    assert waiter.says().result is True


def interrupted_when_it_goes_on(victim):
    """Stopped, with the signal under way: whatever is done now meets it when it goes on."""
    victim.stop()
    os.kill(victim.pid, signal.SIGUSR1)
    return victim


def test_who_is_interrupted_when_it_was_just_granted_it_passes_it_on(pool, no_net):
    assert getattr(pool.it, pool.take)()
    victim, other = party().begins(pool.it, pool.take), party().begins(pool.it, pool.take)
    interrupted_when_it_goes_on(victim)
    getattr(pool.it, pool.give)()
    victim.goes_on()
    assert victim.says().result is Interrupted
    assert other.says().result is True


@pytest.mark.parametrize("kind", [Pool, Recursive, Written])
def test_a_signal_at_the_moment_of_the_grant_loses_nobody_anything(kind, no_net):
    """The victim may have got it, and be interrupted after that: it is killed, to give it back."""
    for turn in range(30):
        pool = kind()
        assert getattr(pool.it, pool.take)()
        victim, other = party().begins(pool.it, pool.take), party().begins(pool.it, pool.take)
        shoot = threading.Thread(target=os.kill, args=(victim.pid, signal.SIGUSR1))
        if turn % 2:
            shoot.start()
            getattr(pool.it, pool.give)()
        else:
            getattr(pool.it, pool.give)()
            shoot.start()
        shoot.join()
        with contextlib.suppress(EOFError, ConnectionResetError):
            assert victim.says().result in (True, Interrupted)
        victim.kill()
        assert other.says().result is True
        other.kill()


def test_a_timeout_at_the_moment_of_the_grant_loses_nobody_anything(pool, no_net):
    for turn in range(30):
        kind = type(pool)()
        assert getattr(kind.it, kind.take)()
        victim = Party().asked(kind.it, kind.take, True, 0.03)
        victim.sleeps_or_is_done()
        other = Party().begins(kind.it, kind.take)
        time.sleep(0.001 * (turn % 5) + 0.01)
        getattr(kind.it, kind.give)()
        if victim.says().result is True:
            victim.does(kind.it, kind.give)
        assert other.says().result is True
        for one in (victim, other):
            one.kill()


def test_readers_and_a_writer_go_on_when_those_before_them_are_interrupted(no_net):
    rw = latchwork.RWLock()
    rw.acquire_write()
    reader, writer = party().begins(rw, "acquire_read"), party().begins(rw, "acquire_write")
    late = party().begins(rw, "acquire_read")
    os.kill(reader.pid, signal.SIGUSR1)
    assert reader.says().result is Interrupted
    rw.release_write()
    assert late.says().result is True
    writer.sleeps()  # it was woken to watch the other
    os.kill(writer.pid, signal.SIGUSR1)
    assert writer.says().result is Interrupted
    assert reader.does(rw, "acquire_read").result is True  # the gate is open again
    for one in (late, reader):
        one.does(rw, "release_read")
    assert rw.acquire_write(block=False)


def test_an_interrupted_wait_for_a_latch_leaves_the_others_waiting(no_net):
    latch = latchwork.Latch(1)
    victim, other = party().begins(latch, "wait"), party().begins(latch, "wait")
    os.kill(victim.pid, signal.SIGUSR1)
    assert victim.says().result is Interrupted
    latch.count_down()
    assert other.says().result is True


def test_an_interrupted_wait_leaves_the_barrier_unbroken():
    """With the re-check: after a millisecond it wakes to look around, and a signal may come just then."""
    barrier = latchwork.Barrier(3)
    victim, other = party().begins(barrier, "wait"), party().begins(barrier, "wait")
    os.kill(victim.pid, signal.SIGUSR1)
    assert victim.says().result is Interrupted
    assert not barrier.broken
    assert barrier.n_waiting == 1
    victim.begins(barrier, "wait")
    assert barrier.wait(SOON) == 2
    assert victim.says().result in (0, 1)
    assert other.says().result == 1


@pytest.fixture(params=[latchwork.Lock, latchwork.RLock])
def condition(request):
    return latchwork.Condition(request.param())


class Interruptible(Using):
    """Tells whether it has the lock after an interrupted wait."""

    def wait(self, timeout=None):
        with self.condition:
            try:
                self.condition.wait(timeout)
            except Interrupted:
                return self.condition._lock._owner_pid() == os.getpid()
            return "notified"


def test_an_interrupted_wait_comes_back_with_the_lock(condition):
    victim = party().begins(Interruptible(condition), "wait")
    os.kill(victim.pid, signal.SIGUSR1)
    assert victim.says().result is True
    assert condition.acquire(timeout=SOON)


def test_a_wait_interrupted_twice_comes_back_with_the_lock_and_releases_nobody_elses(condition):
    """The second time while it waits to get the lock back, which another one has."""
    victim = party().begins(Interruptible(condition), "wait")
    with condition:
        for _ in range(3):
            os.kill(victim.pid, signal.SIGUSR1)
            assert victim.is_silent(0.05)
            victim.sleeps()
            assert condition._lock._owner_pid() == os.getpid()
    assert victim.says().result is True
    assert condition.acquire(timeout=SOON)
    assert condition._waiting() == 0


def test_an_interrupted_wait_hands_on_what_it_was_chosen_for(condition, no_net):
    victim = party().begins(Interruptible(condition), "wait")
    other = party().begins(Interruptible(condition), "wait")
    with condition:
        condition.notify()
        victim.sleeps()  # chosen, for the lock
        os.kill(victim.pid, signal.SIGUSR1)
        victim.sleeps()
    assert victim.says().result is True
    assert other.says().result == "notified"


def test_one_chosen_at_the_moment_of_its_interrupt_hands_that_on(condition, no_net):
    using = Interruptible(condition)
    victim, other = party().begins(using, "wait"), party().begins(using, "wait")
    interrupted_when_it_goes_on(victim)
    using.notify()
    victim.goes_on()
    assert victim.says().result is True
    assert other.says().result == "notified"


def test_a_notification_at_the_end_of_a_timeout_is_lost_for_nobody(condition, no_net):
    using = Using(condition)
    for turn in range(30):
        victim = Party().asked(using, "wait", 0.03)
        victim.sleeps_or_is_done()
        other = Party().begins(using, "wait")
        time.sleep(0.001 * (turn % 5) + 0.01)
        using.notify()
        if victim.says().result is True:
            using.notify()
        assert other.says().result is True
        for one in (victim, other):
            one.kill()


def test_depth_is_as_before_after_an_interrupted_wait():
    lock = latchwork.RLock()
    condition = latchwork.Condition(lock)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with lock, lock, lock:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                condition.wait()
            assert lock._count() == 3
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not lock.locked()
