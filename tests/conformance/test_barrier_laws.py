"""The laws of Barrier."""

import threading

import pytest
from doing import fail, note, notes, rounds, same, show

made = pytest.mark.made
pytestmark = made("Barrier", 2)
Broken = threading.BrokenBarrierError
four = made("Barrier", 4)
by_itself = made("Barrier", 2, None, 0.05)


def test_both_go_on_when_both_are_there(pair):
    for one, other in pair.both():
        waiting = other.begin("wait").asleep()
        assert (one("n_waiting"), other("n_waiting")) == (1, 1)
        indices = {one("wait"), waiting.result()}
        assert indices == {0, 1}
        assert (one("n_waiting"), other("n_waiting")) == (0, 0)


def test_all_see_what_it_is(pair):
    for one, _ in pair.both():
        assert one("parties") == 2
        assert one("n_waiting") == 0
        assert one("broken") is False


@four
def test_nobody_goes_on_before_the_last_is_there(pair):
    for one, other in pair.both():
        calls = [side.begin("wait").asleep() for side in (one, other, one)]
        assert [call.asleep().done() for call in calls] == [False] * 3
        assert other("n_waiting") == 3
        last = other("wait")
        assert last == 3
        assert sorted(call.result() for call in calls) == [0, 1, 2]


@four
def test_each_round_has_each_index_once(pair):
    calls = [side.begin(rounds, 50) for side in (pair.here, pair.there) for _ in range(2)]
    for indices in zip(*(call.result(60) for call in calls), strict=True):
        assert sorted(indices) == [0, 1, 2, 3]


@made("Barrier", 1)
def test_of_one_party_it_holds_up_nobody(pair):
    for one, _ in pair.both():
        assert [one("wait") for _ in range(3)] == [0, 0, 0]
        assert one("wait", 0) == 0


@made("Barrier", 4, note)
def test_its_action_runs_once_a_round_by_the_last_one(pair):
    pair.here(notes), pair.there(notes)
    for one, other in pair.both():
        calls = [side.begin("wait").asleep() for side in (one, other, one)]
        assert (one(notes), other(notes)) == (0, 0)
        assert other("wait") == 3
        assert [one(notes), other(notes)] == [0, 1]
        for call in calls:
            call.result()


@made("Barrier", 2, fail)
def test_a_failing_action_breaks_it_and_its_runner_gets_the_error(pair):
    for one, other in pair.both():
        waiting = other.begin("wait").asleep()
        with pytest.raises(KeyError, match="the action failed"):
            one("wait")
        with pytest.raises(Broken):
            waiting.result()
        assert (one("broken"), other("broken")) == (True, True)
        one("reset")


def test_a_timeout_breaks_it_for_all(pair):
    for one, other in pair.both():
        waiting = other.begin("wait", 0.05)
        with pytest.raises(Broken):
            waiting.result()
        assert (one("broken"), other("broken")) == (True, True)
        for side in (one, other):
            with pytest.raises(Broken):
                side("wait")
        other("reset")
        assert one("broken") is False


@made("Barrier", 3)
def test_the_time_of_one_is_the_time_of_all(pair):
    for one, other in pair.both():
        patient = other.begin("wait").asleep()
        with pytest.raises(Broken):
            one("wait", timeout=0.05)
        with pytest.raises(Broken):
            patient.result()
        one("reset")


@by_itself
def test_its_own_timeout_is_for_those_that_give_none(pair):
    for one, other in pair.both():
        with pytest.raises(Broken):
            one("wait")
        one("reset")
        waiting = other.begin("wait", 30).asleep()
        assert {one("wait"), waiting.result()} == {0, 1}


@pytest.mark.parametrize("timeout", [0, -1])
def test_without_time_it_breaks_at_once(pair, timeout):
    for one, other in pair.both():
        with pytest.raises(Broken):
            one("wait", timeout)
        assert other("broken") is True
        other("reset")


@made("Barrier", 3)
def test_abort_breaks_it_until_a_reset(pair):
    for one, other in pair.both():
        calls = [side.begin("wait").asleep() for side in (one, other)]
        assert one("abort") is None
        for call in calls:
            with pytest.raises(Broken):
                call.result()
        assert (one("broken"), other("broken")) == (True, True)
        with pytest.raises(Broken):
            other("wait")
        one("abort")
        assert other("reset") is None
        assert (one("broken"), other("broken")) == (False, False)


@made("Barrier", 3)
def test_a_reset_breaks_it_for_those_within_and_is_as_new_for_others(pair):
    for one, other in pair.both():
        calls = [side.begin("wait").asleep() for side in (one, other)]
        one("reset")
        for call in calls:
            with pytest.raises(Broken):
                call.result()
        assert (one("broken"), other("n_waiting")) == (False, 0)
        calls = [side.begin("wait").asleep() for side in (one, other)]
        assert one("wait") == 2
        assert sorted(call.result() for call in calls) == [0, 1]


def test_a_reset_of_an_empty_one_changes_nothing(pair):
    for one, other in pair.both():
        one("reset")
        waiting = other.begin("wait").asleep()
        assert {one("wait"), waiting.result()} == {0, 1}


def test_its_repr_shows_its_state(pair):
    for one, other in pair.both():
        assert "0 of 2" in other(show)
        waiting = one.begin("wait").asleep()
        assert "1 of 2" in other(show)
        one("abort")
        with pytest.raises(Broken):
            waiting.result()
        assert "broken" in other(show)
        one("reset")


def test_other_handles_are_the_same_barrier(pair):
    for handle in same(pair.here.primitive):
        waiting = pair.there.begin("wait").asleep()
        assert handle.n_waiting == 1
        assert {handle.wait(), waiting.result()} == {0, 1}


@made("Barrier", 2, note)
def test_other_handles_have_its_action(pair):
    pair.here(notes)
    for handle in same(pair.here.primitive):
        waiting = pair.there.begin("wait").asleep()
        handle.wait()
        waiting.result()
        assert pair.here(notes) == 1


@made("Barrier", 3)
@pytest.mark.kills
def test_one_that_dies_in_it_breaks_it_for_all(pair):
    mine = pair.here.begin("wait").asleep()
    pair.there.begin("wait").asleep()
    pair.there.kill()
    with pytest.raises(Broken):
        mine.result()
    assert pair.here("broken") is True
    with pytest.raises(Broken):
        pair.here("wait")
    pair.here("reset")
    assert pair.here("broken") is False


@pytest.mark.kills
def test_one_that_died_in_it_alone_has_broken_it_for_those_that_come(pair):
    pair.there.begin("wait").asleep()
    pair.there.kill()
    with pytest.raises(Broken):
        pair.here("wait", 30)
