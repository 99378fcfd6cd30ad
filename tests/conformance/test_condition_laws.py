"""The laws of Condition, over an RLock of its own and over a Lock or an RLock that it is given."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from doing import (
    add_and_notify,
    consume,
    enter,
    notify_all_within,
    notify_within,
    play,
    same,
    show,
    timed,
    times,
    wait_for_number,
    wait_within,
    write_number,
)
from remote import until

made = pytest.mark.made
pytestmark = made("Condition")
any_lock = pytest.mark.parametrize(
    "lock",
    [
        pytest.param("its own", marks=made("Condition")),
        pytest.param("Lock", marks=made("Condition", "Lock")),
        pytest.param("RLock", marks=made("Condition", "RLock")),
    ],
)


def states(pid):
    """Of all its threads: proc(5)."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            found.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return found


@contextlib.contextmanager
def stopped(pid):
    """Asleep, and then stopped: one that is stopped inside of a guard does hold up the others."""
    until(lambda: states(pid) == {"S"})
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: states(pid) == {"T"})
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@any_lock
def test_it_acquires_and_releases_its_lock(pair, lock):
    for one, other in pair.both():
        assert one("acquire") is True
        assert other("acquire", False) is False
        assert other("acquire", True, 0.01) is False
        assert one("release") is None
        assert one(enter) is True
        assert other("acquire", False) is True
        other("release")


@any_lock
def test_without_its_lock_all_is_an_assertion_error(pair, lock):
    for one, other in pair.both():
        for held in (False, True):  # also while another process has it
            if held:
                other("acquire")
            with pytest.raises(AssertionError, match="acquire"):
                one("wait", 0)
            with pytest.raises(AssertionError, match="not owned"):
                one("notify")
            with pytest.raises(AssertionError, match="not owned"):
                one("notify_all")
        other("release")


@any_lock
def test_a_notified_one_returns_true(pair, lock):
    for one, other in pair.both():
        for timeout in (None, 30):
            waiting = other.begin(wait_within, timeout).asleep()
            one(notify_within)
            assert waiting.result() is True


@any_lock
def test_wait_lets_others_have_the_lock_and_comes_back_with_it(pair, lock):
    for one, other in pair.both():
        a = other.on("a")
        a("acquire")
        waiting = a.begin("wait").asleep()
        assert one("acquire", False) is True
        one("notify")
        assert waiting.asleep().done() is False
        one("release")
        assert waiting.result() is True
        assert one("acquire", False) is False
        a("release")
        assert one("acquire", False) is True
        one("release")


@any_lock
def test_without_a_notification_it_returns_false_in_time_and_with_the_lock(pair, lock):
    for one, other in pair.both():
        a = other.on("a")
        a("acquire")
        notified, took = a(timed, "wait", 0.05)
        assert notified is False
        assert took >= 0.05
        assert a("wait", 0) is False
        assert a("wait", -1) is False
        assert one("acquire", False) is False
        a("release")
        assert one("acquire", False) is True
        one("release")


@pytest.mark.parametrize("lock", [None, pytest.param("RLock", marks=made("Condition", "RLock"))])
def test_wait_gives_up_all_levels_and_gets_them_back(pair, lock):
    for one, other in pair.both():
        a = other.on("a")
        a(times, "acquire", 3)
        waiting = a.begin("wait").asleep()
        one(notify_within)
        assert waiting.result() is True
        for _ in range(3):
            assert one("acquire", False) is False
            a("release")
        assert one("acquire", False) is True
        one("release")


@any_lock
def test_notify_wakes_one_in_order(pair, lock):
    calls = [side.begin(wait_within).asleep() for side in (pair.there, pair.here) * 2]
    for place, call in enumerate(calls):
        assert [other.done() for other in calls] == [True] * place + [False] * (4 - place)
        (pair.here, pair.there)[place % 2](notify_within)
        assert call.result() is True


@any_lock
def test_notify_n_wakes_the_first_n(pair, lock):
    calls = [side.begin(wait_within).asleep() for side in (pair.there, pair.here) * 2]
    pair.here(notify_within, 3)
    assert [call.result() for call in calls[:3]] == [True] * 3
    assert calls[3].asleep().done() is False
    pair.there(notify_within, 5)
    assert calls[3].result() is True


@any_lock
def test_notify_all_wakes_all(pair, lock):
    for one, _ in pair.both():
        calls = [side.begin(wait_within).asleep() for side in (pair.there, pair.here) * 2]
        one(notify_all_within)
        assert [call.result() for call in calls] == [True] * 4


def test_a_notification_is_not_kept_for_those_that_come_later(pair):
    for one, other in pair.both():
        one(notify_within)
        one(notify_all_within)
        assert other(wait_within, 0.02) is False
        waiting = other.begin(wait_within).asleep()
        one(notify_within)
        assert waiting.result() is True


def test_one_that_gave_up_waiting_swallows_no_notification(pair):
    for one, other in pair.both():
        assert other(wait_within, 0.01) is False
        waiting = one.begin(wait_within).asleep()
        assert one(wait_within, 0.01) is False
        other(notify_within)
        assert waiting.result() is True


def test_to_notify_never_waits_for_the_notified(pair):
    calls = [pair.there.begin(wait_within).asleep() for _ in range(2)]
    with stopped(pair.there.pid):
        pair.here(notify_within)
        pair.here(notify_all_within)
        pair.here(notify_all_within)
    assert [call.result() for call in calls] == [True] * 2


def test_wait_for_waits_until_it_is_so(pair, memory):
    for one, other in pair.both():
        write_number(memory, 0)
        waiting = other.begin(wait_for_number, memory, 2).asleep()
        one(add_and_notify, memory)
        assert waiting.asleep().done() is False
        one(add_and_notify, memory)
        assert waiting.result() is True
        assert other(wait_for_number, memory, 2) is True
        assert other(wait_for_number, memory, 2, 0) is True


def test_wait_for_returns_what_was_so_last_when_the_time_is_up(pair, memory):
    for one, _ in pair.both():
        assert one(wait_for_number, memory, 2, 0.05) is False
        assert one(wait_for_number, memory, 2, 0) is False
        assert one(wait_for_number, memory, 2, -1) is False


@any_lock
def test_two_take_turns(pair, lock, memory):
    here = pair.here.begin(play, memory, 0, 100)
    there = pair.there.begin(play, memory, 1, 100)
    assert (here.result(60), there.result(60)) == (True, True)


def test_nothing_that_is_produced_is_left(pair, memory):
    consumers = [
        side.begin(consume, memory, 50) for side in (pair.here, pair.there) for _ in range(2)
    ]
    for number in range(200):
        (pair.here, pair.there)[number % 2](add_and_notify, memory)
    assert [call.result(60) for call in consumers] == [True] * 4


def test_its_repr_shows_who_waits_and_its_lock(pair):
    for one, other in pair.both():
        assert "0 waiting" in one(show)
        assert "free" in one(show)
        waiting = other.begin(wait_within).asleep()
        assert "1 waiting" in one(show)
        one(notify_within)
        waiting.result()
        one("acquire")
        assert f"held by pid {one.pid}" in other(show)
        one("release")


@any_lock
def test_other_handles_are_the_same_condition(pair, lock):
    waiting = pair.there.begin(wait_within).asleep()
    for handle in same(pair.here.primitive):
        with handle:
            assert pair.there("acquire", False) is False
    with handle:
        handle.notify()
    assert waiting.result() is True


@pytest.mark.kills
def test_one_that_dies_between_being_chosen_and_its_return_swallows_nothing(pair):
    pair.there.begin(wait_within).asleep()
    mine = pair.here.begin(wait_within).asleep()
    pair.here("acquire")
    pair.here("notify")
    pair.there.kill()
    assert mine.done() is False
    pair.here("release")
    assert mine.result() is True


@pytest.mark.kills
def test_a_killed_waiter_is_passed_over(pair):
    pair.there.begin(wait_within).asleep()
    mine = pair.here.begin(wait_within).asleep()
    pair.there.kill()
    pair.here(notify_within)
    assert mine.result() is True


@any_lock
@pytest.mark.kills
def test_one_that_is_killed_with_the_lock_does_not_hold_up_the_others(pair, lock):
    mine = pair.here.begin(wait_within).asleep()
    pair.there("acquire")
    pair.there("notify")
    pair.there.kill()
    assert mine.result() is True
