"""The laws of Lock."""

import pytest
from doing import (
    count_under,
    enter,
    enter_and_raise,
    read_number,
    same,
    show,
    take_turns_until_told,
    timed,
    until_it_began,
    write_number,
)
from remote import until

pytestmark = pytest.mark.made("Lock")


def test_it_is_free_at_first(pair):
    for side in (pair.here, pair.there):
        assert side("locked") is False


def test_one_process_at_a_time_has_it(pair):
    for one, other in pair.both():
        assert one("acquire") is True
        assert one("locked") is True
        assert other("locked") is True
        assert other("acquire", False) is False
        assert other("acquire", block=False) is False
        assert other("acquire", True, 0.01) is False
        assert one("release") is None
        assert other("acquire", False) is True
        other("release")


def test_it_is_not_recursive(pair):
    for one, _ in pair.both():
        one("acquire")
        assert one("acquire", False) is False
        assert one("acquire", timeout=0.01) is False
        one("release")


def test_who_waits_gets_it_at_the_release(pair):
    for one, other in pair.both():
        one("acquire")
        waiting = other.begin("acquire").asleep()
        one("release")
        assert waiting.result() is True
        assert one("acquire", False) is False
        other("release")


def test_a_wait_with_a_timeout_gets_it_too(pair):
    for one, other in pair.both():
        one("acquire")
        waiting = other.begin("acquire", True, 30).asleep()
        one("release")
        assert waiting.result() is True
        other("release")


def test_of_many_that_wait_each_has_it_once(pair):
    pair.here("acquire")
    calls = [side.begin("acquire").asleep() for side in (pair.here, pair.there) for _ in range(3)]
    for left in range(6, 0, -1):
        assert [call.done() for call in calls].count(False) == left
        pair.here("release")
        until(lambda: any(call.done() for call in calls))
        served = next(call for call in calls if call.done())
        assert served.result() is True
        calls.remove(served)
    pair.here("release")
    assert pair.there("locked") is False


def test_any_process_may_release_it(pair):
    for one, other in pair.both():
        one("acquire")
        other("release")
        assert one("locked") is False
        assert other("acquire", False)
        other("release")


def test_any_thread_may_release_it_and_the_end_of_one_frees_nothing(pair):
    for one, other in pair.both():
        one.on("a")("acquire")
        assert one.on("b")("acquire", False) is False
        assert other("acquire", False) is False
        one.on("b")("release")
        assert other("acquire", False) is True
        other("release")


def test_releasing_it_while_it_is_free_is_a_value_error_that_changes_nothing(pair):
    for one, other in pair.both():
        with pytest.raises(ValueError, match="nobody holds"):
            one("release")
        assert other("acquire", False) is True
        other("release")


def test_with_holds_it_for_the_body_and_gives_true(pair):
    for one, other in pair.both():
        assert one(enter) is True
        with pytest.raises(KeyError):
            one(enter_and_raise)
        assert other("acquire", False) is True
        other("release")


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5])
def test_without_time_it_is_tried_once(pair, timeout):
    for one, other in pair.both():
        assert one("acquire", True, timeout) is True
        assert other("acquire", True, timeout) is False
        assert other("acquire", timeout=timeout) is False
        one("release")


def test_a_timeout_is_kept(pair):
    for one, other in pair.both():
        one("acquire")
        got, took = other(timed, "acquire", timeout=0.05)
        assert got is False
        assert took >= 0.05
        one("release")


def test_one_that_gave_up_waiting_costs_nobody_anything(pair):
    for one, other in pair.both():
        one("acquire")
        waiting = other.begin("acquire").asleep()
        assert other("acquire", True, 0.01) is False
        one("release")
        assert waiting.result() is True
        other("release")
        assert one("acquire", False) is True
        one("release")


def test_the_spelling_of_threading_is_accepted(pair):
    for one, other in pair.both():
        assert one("acquire", blocking=True, timeout=-1) is True
        assert other("acquire", blocking=False) is False
        one("release")


def test_threads_and_processes_exclude_each_other(pair, memory):
    sides = [side for side in (pair.here, pair.there) for _ in range(2)]
    calls = [side.begin(count_under, memory, 500) for side in sides]
    for call in calls:
        call.result(60)
    assert read_number(memory) == 4 * 500


def test_nobody_starves_beside_one_that_takes_it_again_and_again(pair, memory):
    for one, other in pair.both():
        write_number(memory, 0)
        write_number(memory, 0, 8)
        hog = other.begin(take_turns_until_told, memory)
        until_it_began(memory)
        for _ in range(10):
            assert one("acquire", True, 10) is True
            one("release")
        write_number(memory, 1)
        assert hog.result() > 0


def test_its_repr_says_who_has_it(pair):
    for one, other in pair.both():
        assert "free" in other(show)
        one("acquire")
        assert f"held by pid {one.pid}" in other(show)
        one("release")


def test_other_handles_are_the_same_lock(pair):
    handles = same(pair.here.primitive)
    pair.there("acquire")
    assert [handle.locked() for handle in handles] == [True] * 3
    pair.there("release")
    for handle in handles:
        with handle:
            assert pair.there("acquire", False) is False


@pytest.mark.kills
def test_who_waits_gets_it_from_the_dead_and_is_told(pair):
    pair.there("acquire")
    waiting = pair.here.begin("acquire").asleep()
    pair.there.kill()
    assert waiting.result() is True
    assert pair.here("abandoned") is True
    pair.here("release")
    assert pair.here("abandoned") is False
    assert pair.here("acquire", False) is True
    assert pair.here("abandoned") is False
    pair.here("release")


@pytest.mark.kills
def test_it_is_not_locked_once_its_owner_is_dead(pair):
    pair.there("acquire")
    assert pair.here("abandoned") is False
    pair.there.kill()
    assert pair.here("locked") is False
    assert pair.here("acquire", False) is True
    assert pair.here("abandoned") is True
    pair.here("release")


@pytest.mark.kills
def test_a_killed_waiter_costs_nobody_anything(pair):
    pair.here("acquire")
    pair.there.begin("acquire").asleep()
    mine = pair.here.begin("acquire").asleep()
    pair.there.kill()
    pair.here("release")
    assert mine.result() is True
    assert pair.here("abandoned") is False
    pair.here("release")
