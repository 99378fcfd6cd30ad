"""The laws of Event."""

import pytest
from doing import same, show, timed

pytestmark = pytest.mark.made("Event")


def test_all_see_what_one_does(pair):
    for one, other in pair.both():
        assert (one("is_set"), other("is_set")) == (False, False)
        for _ in range(2):
            assert one("set") is None
            assert (one("is_set"), other("is_set")) == (True, True)
        for _ in range(2):
            assert one("clear") is None
            assert (one("is_set"), other("is_set")) == (False, False)


def test_waiting_for_a_set_one_returns_true_at_once(pair):
    for one, other in pair.both():
        one("set")
        assert other("wait") is True
        assert other("wait", 0) is True
        assert other("wait", timeout=-1) is True
        assert other("wait", None) is True
        one("clear")


@pytest.mark.parametrize("timeout", [0, 0.0, -1])
def test_without_time_it_is_only_looked_at(pair, timeout):
    for one, _ in pair.both():
        assert one("wait", timeout) is False


def test_false_only_when_the_time_is_up(pair):
    for one, _ in pair.both():
        was_set, took = one(timed, "wait", 0.05)
        assert was_set is False
        assert took >= 0.05


def test_one_set_wakes_all_that_wait(pair):
    for one, _ in pair.both():
        calls = [side.begin("wait").asleep() for side in (pair.here, pair.there) for _ in range(3)]
        one("set")
        assert [call.result() for call in calls] == [True] * 6
        one("clear")


def test_all_that_waited_return_true_although_it_is_cleared_at_once(pair):
    for one, other in pair.both():
        calls = [
            side.begin("wait", *timeout).asleep()
            for side in (one, other)
            for timeout in ((), (30,))
        ]
        one("set")
        one("clear")
        assert [call.result() for call in calls] == [True] * 4
        assert other("is_set") is False


def test_who_comes_after_the_clear_waits_again(pair):
    for one, other in pair.both():
        one("set")
        one("clear")
        waiting = other.begin("wait").asleep()
        one("set")
        assert waiting.result() is True
        one("clear")


def test_to_clear_what_is_not_set_wakes_nobody(pair):
    for one, other in pair.both():
        waiting = other.begin("wait").asleep()
        one("clear")
        assert waiting.asleep().done() is False
        one("set")
        assert waiting.result() is True
        one("clear")


def test_a_ball_is_played_to_and_fro(pair):
    one, other = pair.both()[0]
    for _ in range(50):
        waiting = other.begin("wait")
        one("set")
        assert waiting.result() is True
        one("clear")
        one, other = other, one


def test_its_repr_says_whether_it_is_set(pair):
    for one, other in pair.both():
        assert "unset" in other(show)
        one("set")
        assert "unset" not in other(show)
        one("clear")


def test_other_handles_are_the_same_event(pair):
    handles = same(pair.here.primitive)
    pair.there("set")
    assert [handle.wait(0) for handle in handles] == [True] * 3
    handles[0].clear()
    assert pair.there("is_set") is False


@pytest.mark.kills
def test_a_killed_waiter_costs_nobody_anything(pair):
    pair.there.begin("wait").asleep()
    mine = pair.here.begin("wait").asleep()
    pair.there.kill()
    pair.here("set")
    assert mine.result() is True
