"""The laws of BoundedSemaphore: permits with owners, and the plain count that multiprocessing has."""

import pytest
from doing import enter, enter_and_raise, same, show, timed, times
from remote import until

made = pytest.mark.made
pytestmark = made("BoundedSemaphore", 2)
both_kinds = pytest.mark.parametrize(
    "owned",
    [
        pytest.param(True, marks=made("BoundedSemaphore", 2)),
        pytest.param(False, marks=made("BoundedSemaphore", 2, owned=False)),
    ],
)


@both_kinds
def test_as_many_permits_as_it_was_made_with(pair, owned):
    for one, other in pair.both():
        assert one("owned") is owned
        for left in (2, 1):
            assert (one("get_value"), other("get_value")) == (left, left)
            assert one("acquire", False) is True
        for side in (one, other):
            assert side("get_value") == 0
            assert side("acquire", False) is False
            assert side("acquire", True, 0.01) is False
        one("release", 2)


@both_kinds
def test_more_than_it_began_with_is_a_value_error_that_changes_nothing(pair, owned):
    for one, other in pair.both():
        with pytest.raises(ValueError, match="too many times"):
            one("release")
        one("acquire")
        with pytest.raises(ValueError, match="too many times"):
            one("release", 2)
        assert other("get_value") == 1
        one("release")
        with pytest.raises(ValueError, match="too many times"):
            other("release")
        assert other("get_value") == 2


@both_kinds
def test_any_process_may_release(pair, owned):
    for one, other in pair.both():
        one("acquire")
        other("release")
        assert one("get_value") == 2
        with pytest.raises(ValueError, match="too many times"):
            one("release")


@both_kinds
def test_who_waits_gets_what_another_gives(pair, owned):
    for one, other in pair.both():
        one(times, "acquire", 2)
        waiting = other.begin("acquire").asleep()
        one("release")
        assert waiting.result() is True
        assert one("acquire", False) is False
        one("release")
        other("release")


@both_kinds
def test_release_of_n_wakes_n(pair, owned):
    for one, other in pair.both():
        one(times, "acquire", 2)
        calls = [side.begin("acquire").asleep() for side in (one, other, other)]
        one("release", n=2)
        until(lambda calls=calls: [call.done() for call in calls].count(True) >= 2)
        assert [call.done() for call in calls].count(True) == 2
        one("release")
        assert [call.result() for call in calls] == [True] * 3
        one("release")
        one("release")
        assert other("get_value") == 2


@both_kinds
@pytest.mark.parametrize("n", [0, -1])
def test_to_release_less_than_one_is_a_value_error(pair, owned, n):
    pair.here("acquire")
    for one, other in pair.both():
        with pytest.raises(ValueError, match="one or more"):
            one("release", n)
        assert other("get_value") == 1
    pair.here("release")


def test_they_are_had_in_order(pair):
    pair.here(times, "acquire", 2)
    calls = [side.begin("acquire").asleep() for side in (pair.there, pair.here) * 2]
    for place, call in enumerate(calls):
        assert [other.done() for other in calls] == [True] * place + [False] * (4 - place)
        pair.here("release")
        assert call.result() is True


def test_a_newcomer_does_not_get_ahead_of_one_that_waits(pair):
    for one, other in pair.both():
        one(times, "acquire", 2)
        waiting = other.begin("acquire").asleep()
        one("release")
        assert one("acquire", False) is False
        assert waiting.result() is True
        one("release")
        other("release")


def test_one_that_gave_up_waiting_takes_no_permit_and_holds_up_nobody(pair):
    for one, other in pair.both():
        one(times, "acquire", 2)
        hasty = other.begin(timed, "acquire", timeout=0.1).asleep()
        patient = one.begin("acquire").asleep()
        got, took = hasty.result()
        assert got is False
        assert took >= 0.1
        one("release")
        assert patient.result() is True
        one("release", 2)
        assert other("get_value") == 2


@both_kinds
def test_with_takes_and_gives_back(pair, owned):
    for one, other in pair.both():
        assert one(enter) is True
        with pytest.raises(KeyError):
            one(enter_and_raise)
        assert other("get_value") == 2


@both_kinds
def test_its_repr_shows_its_value_and_bound(pair, owned):
    pair.there("acquire")
    assert "1 of 2" in pair.here(show)
    pair.there("release")


@both_kinds
def test_other_handles_are_the_same_semaphore(pair, owned):
    handles = same(pair.here.primitive)
    pair.there("acquire")
    assert [handle.get_value() for handle in handles] == [1] * 3
    handles[0].release()
    assert pair.there("get_value") == 2
    for handle in handles:
        with pytest.raises(ValueError, match="too many times"):
            handle.release()


@pytest.mark.kills
def test_a_dead_ones_permits_come_back_and_its_late_release_is_forgiven(pair):
    pair.there(times, "acquire", 2)
    pair.there.kill()
    assert pair.here("get_value") == 2
    pair.here(times, "acquire", 2)
    pair.here(times, "release", 2)
    assert pair.here("get_value") == 2


@pytest.mark.kills
def test_who_waits_gets_a_dead_ones_permit_at_once(pair):
    pair.there("acquire")
    pair.here("acquire")
    calls = [pair.here.begin("acquire").asleep() for _ in range(2)]
    pair.there.kill()
    assert calls[0].result() is True
    assert calls[1].done() is False
    pair.here("release")
    assert calls[1].result() is True
    pair.here("release", 2)


@pytest.mark.kills
def test_a_killed_waiter_is_passed_over(pair):
    pair.here(times, "acquire", 2)
    pair.there.begin("acquire").asleep()
    mine = pair.here.begin("acquire").asleep()
    pair.there.kill()
    pair.here("release")
    assert mine.result() is True
    assert pair.here("get_value") == 0


@made("BoundedSemaphore", 2, owned=False)
@pytest.mark.kills
def test_permits_of_a_plain_count_die_with_who_took_them(pair):
    pair.there("acquire")
    pair.there.kill()
    assert pair.here("get_value") == 1
    pair.here("release")
    assert pair.here("get_value") == 2
