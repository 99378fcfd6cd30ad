"""Scenes of the Barrier: a round has one outcome, whoever dies while it is told."""

import latchwork
from crash.stage import DEADLINE, armed, asleep, end_well, fork, kill_at, no_net, poll
from latchwork import BrokenBarrierError


def passes(barrier):
    def act():
        barrier.wait(DEADLINE)

    return act


def breaks(barrier):
    def act():
        try:
            barrier.wait()
        except BrokenBarrierError:
            return
        raise AssertionError("it passed")

    return act


def abort(barrier):
    return lambda: barrier.abort()


def check_it_works(barrier):
    others = [fork(passes(barrier)) for _ in range(barrier.parties - 1)]
    barrier.wait(DEADLINE)
    end_well(*others)
    assert not barrier.broken
    assert barrier.n_waiting == 0


def check_it_is_broken_until_reset(barrier):
    assert barrier.broken
    assert barrier.n_waiting == 0
    end_well(fork(breaks(barrier)))
    barrier.reset()
    check_it_works(barrier)


def party_before_sleep(stage):
    """The others are told when they sleep: they look at all that are in."""
    barrier = latchwork.Barrier(4)
    with no_net():
        others = [fork(breaks(barrier)) for _ in range(2)]
        asleep(*others)
        kill_at(fork(armed(stage.point, breaks(barrier))), stage.point)
        others.append(fork(breaks(barrier)))  # which finds it dead
        end_well(*others)
    check_it_is_broken_until_reset(barrier)


def comer(stage):
    """Dies on its way in, with the guard, and its cell taken: the next one that comes breaks it."""
    barrier = latchwork.Barrier(3)
    with no_net():
        other = fork(breaks(barrier))
        poll("in", lambda: barrier.n_waiting == 1)
        kill_at(fork(armed(stage.point, breaks(barrier))), stage.point)
        end_well(fork(breaks(barrier)), other)
    check_it_is_broken_until_reset(barrier)


def first_comer(stage):
    """Dies when it makes the first cells: it was never in."""
    barrier = latchwork.Barrier(2)
    kill_at(fork(armed(stage.point, breaks(barrier))), stage.point)
    check_it_works(barrier)


def last(stage):
    """Dies when it has ended the round: all others have passed, and the next round is as any."""
    barrier = latchwork.Barrier(4)
    others = [fork(passes(barrier)) for _ in range(3)]
    asleep(*others)
    poll("in", lambda: barrier.n_waiting == 3)
    kill_at(fork(armed(stage.point, passes(barrier))), stage.point)
    end_well(*others)
    check_it_works(barrier)


def last_with_an_action(stage):
    """The action has run: the round is over, well."""
    barrier = latchwork.Barrier(4, action=int)
    others = [fork(passes(barrier)) for _ in range(3)]
    asleep(*others)
    poll("in", lambda: barrier.n_waiting == 3)
    kill_at(fork(armed(stage.point, passes(barrier))), stage.point)
    end_well(*others)
    check_it_works(barrier)


def runner(stage):
    """Dies with the guard when it has become the one that runs the action: it never will."""
    barrier = latchwork.Barrier(3, action=int)
    others = [fork(breaks(barrier)) for _ in range(2)]
    asleep(*others)
    poll("in", lambda: barrier.n_waiting == 2)
    kill_at(fork(armed(stage.point, breaks(barrier))), stage.point)
    end_well(*others)
    check_it_is_broken_until_reset(barrier)


def aborter(stage):
    """Dies when it has broken the barrier: none of the others passes."""
    barrier = latchwork.Barrier(4)
    others = [fork(breaks(barrier)) for _ in range(2)]
    asleep(*others)
    poll("in", lambda: barrier.n_waiting == 2)
    kill_at(fork(armed(stage.point, abort(barrier))), stage.point)
    end_well(*others)
    check_it_is_broken_until_reset(barrier)


def one_out_of_time(stage):
    barrier = latchwork.Barrier(4)
    others = [fork(breaks(barrier)) for _ in range(2)]
    asleep(*others)
    poll("in", lambda: barrier.n_waiting == 2)
    kill_at(fork(armed(stage.point, lambda: barrier.wait(0.05))), stage.point)
    end_well(*others)
    check_it_is_broken_until_reset(barrier)


def resetter(stage):
    """Dies when it has sent those in it away: they are gone, and it is not broken."""
    barrier = latchwork.Barrier(3)
    others = [fork(breaks(barrier)) for _ in range(2)]
    asleep(*others)
    poll("in", lambda: barrier.n_waiting == 2)
    kill_at(fork(armed(stage.point, barrier.reset)), stage.point)
    end_well(*others)
    check_it_works(barrier)


SCENES = {
    "cells_made/barrier": first_comer,
    "cell_claimed/barrier": comer,
    "guard_held/barrier come": comer,
    "guard_held/barrier last": last,
    "guard_held/barrier run": runner,
    "guard_held/barrier abort": aborter,
    "guard_held/barrier reset": resetter,
    "barrier_waiting": party_before_sleep,
    "barrier_ended/last": last,
    "barrier_ended/action": last_with_an_action,
    "barrier_ended/abort": aborter,
    "barrier_ended/timeout": one_out_of_time,
    "barrier_ended/reset": resetter,
    "barrier_telling/last": last,
    "barrier_telling/abort": aborter,
    "barrier_told/last": last,
    "barrier_told/reset": resetter,
    "barrier_told/timeout": one_out_of_time,
}
