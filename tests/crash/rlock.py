"""Scenes of the RLock: its two words, before and after they say who has it."""

import latchwork
from crash.stage import armed, asleep, end_well, fork, kill_at, no_net, prepared


def check_it_is_free(lock, abandoned):
    with lock:
        assert lock._count() == 1
        assert lock.abandoned == abandoned
        with lock:
            assert lock._count() == 2
    assert not lock.locked()


def next_one(lock):
    """At depth one, and told of the death."""

    def act():
        with lock:
            assert lock._count() == 1
            assert lock.abandoned

    return act


def taker(stage):
    """A free one: taken, but it doesn't say yet by which thread."""
    lock = latchwork.RLock()
    kill_at(fork(armed(stage.point, lock.acquire)), stage.point)
    check_it_is_free(lock, abandoned=True)


def heir(stage):
    """The same, by one that waited; two wait behind it, and watch it."""
    lock = latchwork.RLock()
    with no_net():
        lock.acquire()
        victim = fork(armed(stage.point, lock.acquire))
        asleep(victim)
        others = [fork(next_one(lock))]
        asleep(*others)
        lock.release()
        kill_at(victim, stage.point)
        end_well(*others)
    check_it_is_free(lock, abandoned=False)


def giver(stage):
    """The last release of three: no thread's any more, but still its process's. One waits."""
    lock = latchwork.RLock()

    def thrice():
        for _ in range(3):
            lock.acquire()

    def give():
        for _ in range(3):
            lock.release()

    with no_net():
        victim, go = prepared(thrice, stage.point, give)
        other = fork(next_one(lock))
        asleep(other)
        go.open()
        kill_at(victim, stage.point)
        end_well(other)
    check_it_is_free(lock, abandoned=False)


def waiter_of_a_condition(stage):
    """In Condition.wait, which gives back all levels at once."""
    condition = latchwork.Condition()

    def wait():
        with condition, condition:
            condition.wait()

    kill_at(fork(armed(stage.point, wait)), stage.point)
    with condition:
        assert condition._lock.abandoned
        condition.notify()
    check_it_is_free(condition._lock, abandoned=False)


SCENES = {
    "rlock_taken/free": taker,
    "rlock_taken/waited": heir,
    "rlock_given/release": giver,
    "rlock_given/condition": waiter_of_a_condition,
}
