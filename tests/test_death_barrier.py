"""A death in a barrier breaks it, for all that are in it, at once."""

import logging
import os
import signal
import threading
import time

import pytest
from actors import METHODS, SOON, heard
from party import FORK, Party

import latchwork
from latchwork import BrokenBarrierError, _core

PATIENCE = (
    0.02  # more than the millisecond after which one that waits sees to it that it is watched
)


def patient(parties):
    """All have waited for longer than a barrier's patience (which is counted from their last sleep)."""
    time.sleep(PATIENCE)
    for party in parties:
        party.sleeps()


def waiting(barrier, count, ctx=FORK):
    parties = [Party(ctx).begins(barrier, "wait") for _ in range(count)]
    patient(parties)
    return parties


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_party_that_is_killed_breaks_it_for_all_others(method, victim, no_net):
    """Whichever came first or last."""
    barrier = latchwork.Barrier(5)
    parties = []
    for number in range(3):
        ctx = latchwork.get_context(method) if number == victim else FORK
        parties.append(Party(ctx).begins(barrier, "wait"))
    patient(parties)
    parties.pop(victim).kill()
    for party in parties:
        assert party.says().result is BrokenBarrierError
    assert barrier.broken
    assert Party().does(barrier, "wait").result is BrokenBarrierError
    barrier.reset()
    assert not barrier.broken


def test_a_death_is_logged_by_those_that_it_concerns(caplog):
    barrier = latchwork.Barrier(3)
    (party,) = waiting(barrier, 1)
    party.gone()
    with (
        caplog.at_level(logging.WARNING, "latchwork"),
        pytest.raises(BrokenBarrierError, match="died"),
    ):
        barrier.wait(SOON)
    assert f"process {party.pid} died in this barrier" in caplog.text


def test_a_dead_one_is_not_waiting():
    barrier = latchwork.Barrier(3)
    first, second = waiting(barrier, 2)
    assert barrier.n_waiting == 2
    first.stop()
    second.stop()  # so that nobody settles it
    first.gone()
    assert barrier.broken
    assert barrier.n_waiting == 0  # nobody waits in a broken one


class Acting:
    """An action that waits for its end."""

    def __init__(self):
        self.told, self.telling = FORK.Pipe()
        self.end, self.ending = FORK.Pipe()

    def __call__(self):
        self.telling.send(os.getpid())
        self.end.recv()


def test_one_that_is_killed_while_it_runs_the_action_breaks_it(no_net):
    action = Acting()
    barrier = latchwork.Barrier(3, action=action)
    others = waiting(barrier, 2)
    runner = Party().asked(barrier, "wait")
    assert heard(action.told) == runner.pid
    assert all(party.is_silent(0.05) for party in others)
    runner.kill()
    for party in others:
        assert party.says().result is BrokenBarrierError


def test_one_that_is_killed_while_another_runs_the_action_breaks_it(no_net):
    """The action goes on to its end; its round has failed."""
    action = Acting()
    barrier = latchwork.Barrier(3, action=action)
    victim, other = waiting(barrier, 2)
    runner = Party().asked(barrier, "wait")
    assert heard(action.told) == runner.pid
    victim.kill()
    assert other.says().result is BrokenBarrierError
    action.ending.send("end")
    assert runner.says().result is BrokenBarrierError


def test_one_that_came_during_an_action_is_watched_in_the_next_round(no_net):
    """It has waited long before that round, but none of those in it has seen it."""
    action = Acting()
    barrier = latchwork.Barrier(3, action=action)
    waiting(barrier, 2)
    runner = Party().asked(barrier, "wait")
    assert heard(action.told) == runner.pid
    (late,) = waiting(barrier, 1)
    late.stop()
    action.ending.send("end")
    assert runner.says().result == 2
    (other,) = waiting(barrier, 1)
    late.goes_on()
    end = time.monotonic() + 10
    while barrier.n_waiting < 2:
        assert time.monotonic() < end
    patient([late, other])
    late.kill()
    assert other.says().result is BrokenBarrierError


def test_one_that_is_killed_after_its_round_breaks_nothing():
    barrier = latchwork.Barrier(2)
    first = Party().begins(barrier, "wait")
    first.stop()
    assert barrier.wait(SOON) == 1
    first.gone()  # before it has seen that it has passed
    assert not barrier.broken
    second = Party().begins(barrier, "wait")
    barrier.wait(SOON)
    assert second.says().result == 0


def test_a_stopped_party_is_not_dead():
    barrier = latchwork.Barrier(3)
    first, second = waiting(barrier, 2)
    first.stop()
    assert second.is_silent(1.3)  # longer than any re-check
    assert not barrier.broken
    assert barrier.wait(SOON) == 2
    assert second.says().result == 1
    first.goes_on()
    assert first.says().result == 0


def test_a_party_that_just_ends_while_a_thread_of_it_waits_breaks_it(no_net):
    def wait_on_a_thread(said):
        threading.Thread(target=barrier.wait, daemon=True).start()
        said.send("waiting")
        while barrier.n_waiting < 2:
            time.sleep(0.001)
        time.sleep(PATIENCE)
        os._exit(0)

    barrier = latchwork.Barrier(4)
    (survivor,) = waiting(barrier, 1)
    said, saying = FORK.Pipe()
    FORK.Process(target=wait_on_a_thread, args=(saying,)).start()
    assert heard(said) == "waiting"
    assert survivor.says().result is BrokenBarrierError


def test_two_threads_of_a_killed_process_break_it_once(no_net):
    def wait_twice(said):
        for _ in range(2):
            threading.Thread(target=barrier.wait, daemon=True).start()
        said.send("waiting")
        signal.pause()

    barrier = latchwork.Barrier(4)
    (survivor,) = waiting(barrier, 1)
    said, saying = FORK.Pipe()
    victim = FORK.Process(target=wait_twice, args=(saying,))
    victim.start()
    assert heard(said) == "waiting"
    while barrier.n_waiting < 3:
        time.sleep(0.001)
    time.sleep(PATIENCE)
    os.kill(victim.pid, signal.SIGKILL)
    assert survivor.says().result is BrokenBarrierError
    barrier.reset()
    others = waiting(barrier, 3)
    barrier.wait(SOON)
    assert sorted(party.says().result for party in others) == [0, 1, 2]


def interrupt(*_):
    raise InterruptedError


def test_one_that_was_interrupted_leaves_its_watch_to_the_others(no_net):
    """The second had been woken to watch the third; the first had not."""
    barrier = latchwork.Barrier(5)
    (first,) = waiting(barrier, 1)
    second = Party(FORK, lambda: signal.signal(signal.SIGUSR1, interrupt) and None)
    second.says()
    second.begins(barrier, "wait")
    patient([first, second])
    third = Party().begins(barrier, "wait")
    patient([first, second, third])
    os.kill(second.pid, signal.SIGUSR1)
    assert second.says().result is InterruptedError
    patient([first, third])
    third.kill()
    assert first.says().result is BrokenBarrierError


def test_a_death_breaks_it_without_futex_waitv():
    _core.forbid_waitv(True)
    try:
        for victim in range(3):
            barrier = latchwork.Barrier(4)
            parties = waiting(barrier, 3)
            parties.pop(victim).kill()
            for party in parties:
                assert party.says().result is BrokenBarrierError
    finally:
        _core.forbid_waitv(False)
