"""Scenes of the Condition: what a dead one was chosen for goes to another."""

import os
import signal

import latchwork
from crash.stage import DEADLINE, armed, asleep, end_well, fork, kill_at, no_net


def condition_of_a_lock():
    return latchwork.Condition(latchwork.Lock())


def waiter(condition):
    def act():
        with condition:
            assert condition.wait(DEADLINE)

    return act


def check_it_works(condition):
    other = fork(waiter(condition))
    asleep(other)
    assert condition.acquire(timeout=DEADLINE)
    condition.notify_all()
    condition.release()
    end_well(other)
    with condition:
        condition.notify()
        assert condition._waiting() == 0


def comer(stage):
    """Dies on its way into the queue, with the lock held."""
    condition = condition_of_a_lock()
    other = fork(waiter(condition))
    asleep(other)
    kill_at(fork(armed(stage.point, waiter(condition))), stage.point)
    with condition:
        assert condition._lock.abandoned
        condition.notify()
    end_well(other)
    check_it_works(condition)


def first_comer(stage):
    condition = condition_of_a_lock()
    kill_at(fork(armed(stage.point, waiter(condition))), stage.point)
    check_it_works(condition)


def sleeper(stage):
    """Dies just before it sleeps, and before it is chosen: the one that was chosen is a living one."""
    condition = condition_of_a_lock()
    with no_net():
        kill_at(fork(armed(stage.point, waiter(condition))), stage.point)
        other = fork(waiter(condition))
        asleep(other)
        with condition:
            condition.notify()
        end_well(other)
    check_it_works(condition)


def chosen(stage):
    """The notifier keeps the lock; another one is to be woken at once, and gets the lock after it."""
    condition = condition_of_a_lock()
    with no_net():
        victim = fork(armed(stage.point, waiter(condition)))
        asleep(victim)
        second = fork(waiter(condition))
        asleep(second)
        third = fork(waiter(condition))
        asleep(third)
        with condition:
            condition.notify()
            kill_at(victim, stage.point)
        end_well(second)
        with condition:
            condition.notify()
        end_well(third)
    check_it_works(condition)


def notifier(stage):
    """Dies while it chooses, or before it wakes the chosen: with the lock, so the next owner is told."""
    condition = condition_of_a_lock()
    others = [fork(waiter(condition)) for _ in range(2)]
    asleep(*others)

    def notify():
        with condition:
            condition.notify(2)

    kill_at(fork(armed(stage.point, notify)), stage.point)
    assert condition.acquire(timeout=DEADLINE)
    # What the dead one did may be half done: `abandoned` says so, here or to one that was chosen.
    condition.notify_all()
    condition.release()
    end_well(*others)
    check_it_works(condition)


def patient(stage):
    """Its time is over: dies while it leaves."""
    condition = condition_of_a_lock()

    def wait():
        with condition:
            condition.wait(0.05)

    kill_at(fork(armed(stage.point, wait, skip=1)), stage.point)
    check_it_works(condition)


def interrupted(stage, skip=1):
    """Chosen, and interrupted while it waits for the lock: dies while it hands that on."""
    condition = condition_of_a_lock()

    def wait():
        with condition:
            condition.wait()

    with no_net():
        # With the guard: to join, and to leave, before which it has the lock again.
        victim = fork(armed(stage.point, wait, skip))
        asleep(victim)
        other = fork(waiter(condition))
        asleep(other)
        with condition:
            condition.notify()
            asleep(victim)
            os.kill(victim, signal.SIGINT)
            asleep(victim)
        kill_at(victim, stage.point)
        end_well(other)
    check_it_works(condition)


def interrupted_a_little_later(stage):
    """It has left, has chosen the next one, and hasn't woken it."""
    interrupted(stage, skip=2)


SCENES = {
    "cells_made/condition": first_comer,
    "cell_claimed/condition": comer,
    "guard_held/condition join": comer,
    "guard_held/condition notify": notifier,
    "guard_held/condition timeout": patient,
    "guard_held/condition interrupted": interrupted,
    "guard_held/condition handing on": interrupted_a_little_later,
    "condition_chosen": notifier,
    "queue_granted/condition": notifier,
    "queue_waiting/condition": sleeper,
    "queue_woken/condition": chosen,
}
