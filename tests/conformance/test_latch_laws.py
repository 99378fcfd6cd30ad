"""The laws of Latch."""

import pytest
from doing import same, show, timed, times

made = pytest.mark.made
pytestmark = made("Latch", 2)


def test_all_see_how_much_is_to_go(pair):
    assert (pair.here("count"), pair.there("count")) == (2, 2)
    assert pair.there("count_down") is None
    assert (pair.here("count"), pair.there("count")) == (1, 1)
    pair.here("count_down")
    assert (pair.here("count"), pair.there("count")) == (0, 0)


def test_who_waits_goes_on_at_zero_not_before(pair):
    calls = [
        side.begin("wait", *timeout).asleep()
        for side in (pair.here, pair.there)
        for timeout in ((), (30,))
    ]
    pair.there("count_down")
    for call in calls:
        assert call.asleep().done() is False
    pair.here("count_down")
    assert [call.result() for call in calls] == [True] * 4


def test_it_never_closes_again(pair):
    pair.here("count_down", 2)
    for one, other in pair.both():
        one("count_down")
        assert other("count") == 0
        for timeout in ((), (None,), (0,), (-1,)):
            assert other("wait", *timeout) is True


@pytest.mark.parametrize("n", [3, 2**31 - 1])
def test_it_stops_at_zero(pair, n):
    pair.there("count_down", n=n)
    assert pair.here("count") == 0
    assert pair.here("wait") is True


@made("Latch", 0)
def test_one_made_with_zero_is_open(pair):
    for one, _ in pair.both():
        assert one("wait") is True
        assert one("count") == 0


@pytest.mark.parametrize("n", [0, -1])
def test_to_count_down_less_than_one_is_a_value_error(pair, n):
    for one, other in pair.both():
        with pytest.raises(ValueError, match="one or more"):
            one("count_down", n)
        assert other("count") == 2


@pytest.mark.parametrize("timeout", [0, -1])
def test_without_time_it_is_only_looked_at(pair, timeout):
    for one, _ in pair.both():
        assert one("wait", timeout) is False


def test_false_only_when_the_time_is_up(pair):
    for one, _ in pair.both():
        opened, took = one(timed, "wait", timeout=0.05)
        assert opened is False
        assert took >= 0.05


@made("Latch", 1000)
def test_no_step_is_lost(pair):
    waiting = pair.here.begin("wait").asleep()
    calls = [
        side.begin(times, "count_down", 250) for side in (pair.here, pair.there) for _ in (1, 2)
    ]
    for call in calls:
        call.result()
    assert pair.there("count") == 0
    assert waiting.result() is True


def test_its_repr_shows_its_count(pair):
    assert "2" in pair.there(show)
    pair.here("count_down", 2)
    assert "0" in pair.there(show)


def test_other_handles_are_the_same_latch(pair):
    handles = same(pair.here.primitive)
    pair.there("count_down")
    assert [handle.count for handle in handles] == [1] * 3
    handles[0].count_down()
    assert pair.there("wait", 0) is True


@pytest.mark.kills
def test_a_killed_waiter_costs_nobody_anything(pair):
    pair.there.begin("wait").asleep()
    mine = pair.here.begin("wait").asleep()
    pair.there.kill()
    pair.here("count_down", 2)
    assert mine.result() is True
