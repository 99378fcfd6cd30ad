"""Scenes of permits with owners."""

import latchwork
from crash.stage import armed, asleep, end_well, fork, kill_at, no_net, prepared

LIMIT = 2


def check_all_are_back(pool):
    assert pool.get_value() == LIMIT, pool
    for _ in range(LIMIT):
        assert pool.acquire(block=False)
    assert not pool.acquire(block=False)
    for _ in range(LIMIT):
        pool.release()


def user(pool):
    def act():
        with pool:
            pass

    return act


def newcomer(stage):
    """Dies in an acquire that need not wait."""
    pool = latchwork.BoundedSemaphore(LIMIT)
    with no_net():
        kill_at(fork(armed(stage.point, pool.acquire)), stage.point)
        end_well(fork(user(pool)))
    check_all_are_back(pool)


def taken(pool):
    for _ in range(LIMIT):
        assert pool.acquire(block=False)


def holder(stage):
    """Dies in a release, while three wait, who watch it."""
    pool = latchwork.BoundedSemaphore(LIMIT)
    with no_net():
        victim, go = prepared(lambda: taken(pool), stage.point, pool.release)
        others = [fork(user(pool)) for _ in range(3)]
        asleep(*others)
        go.open()
        kill_at(victim, stage.point)
        end_well(*others)
    check_all_are_back(pool)


def waiter(stage):
    """Dies while it queues or just has: nobody misses it."""
    pool = latchwork.BoundedSemaphore(LIMIT)
    taken(pool)
    with no_net():
        victim = fork(armed(stage.point, pool.acquire))
        kill_at(victim, stage.point)
        others = [fork(user(pool)) for _ in range(2)]
        asleep(*others)
        pool.release()
        end_well(*others)
    pool.release()
    check_all_are_back(pool)


def chosen(stage):
    """It was granted one, and hasn't seen it: the next in the queue watches it."""
    pool = latchwork.BoundedSemaphore(LIMIT)
    taken(pool)
    with no_net():
        victim = fork(armed(stage.point, pool.acquire))
        asleep(victim)
        others = [fork(user(pool)) for _ in range(2)]
        asleep(*others)
        pool.release()
        kill_at(victim, stage.point)
        end_well(*others)
    pool.release()
    check_all_are_back(pool)


def patient(stage):
    """Its time runs out, and it dies while it leaves the queue."""
    pool = latchwork.BoundedSemaphore(LIMIT)
    taken(pool)
    with no_net():
        victim = fork(armed(stage.point, lambda: pool.acquire(timeout=0.05), skip=1))
        kill_at(victim, stage.point)
        other = fork(user(pool))
        asleep(other)
        pool.release()
        end_well(other)
    pool.release()
    check_all_are_back(pool)


def regular(stage):
    """It has had one before, so it need not take the guard: dies with one that it has only counted."""
    pool = latchwork.BoundedSemaphore(LIMIT)

    def before():
        pool.acquire()
        pool.release()

    with no_net():
        victim, go = prepared(before, stage.point, pool.acquire)
        go.open()
        kill_at(victim, stage.point)
        end_well(fork(user(pool)))
    check_all_are_back(pool)


SCENES = {
    "cells_made/permits": newcomer,
    "cell_claimed/permits": newcomer,
    "guard_held/permits acquire": newcomer,
    "guard_held/permits release": holder,
    "guard_held/permits wait": waiter,
    "guard_held/permits timeout": patient,
    "permits_granted": holder,
    "permits_counted": regular,
    "permits_queued": waiter,
    "permits_released": holder,
    "queue_granted/permits": holder,
    "queue_waiting/permits": waiter,
    "queue_woken/permits": chosen,
}
