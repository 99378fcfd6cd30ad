"""The laws of RLock."""

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
    times,
    until_it_began,
    write_number,
)

pytestmark = pytest.mark.made("RLock")


def test_its_thread_takes_it_again_and_others_not_before_it_is_given_back_as_often(pair):
    for one, other in pair.both():
        a = one.on("a")
        for _ in range(3):
            assert a("acquire") is True
        for _ in range(3):
            assert other("acquire", False) is False
            assert other("acquire", True, 0.01) is False
            assert one.on("b")("acquire", False) is False
            assert a("release") is None
        assert other("acquire", False) is True
        other("release")


def test_a_level_more_is_had_whatever_the_arguments(pair):
    for one, other in pair.both():
        a = one.on("a")
        assert a("acquire") is True
        assert a("acquire", False) is True
        assert a("acquire", True, 0) is True
        assert a("acquire", timeout=-1) is True
        assert a("acquire", blocking=False) is True
        a(times, "release", 5)
        assert other("acquire", False) is True
        other("release")


def test_only_its_thread_may_release_it(pair):
    for one, other in pair.both():
        a = one.on("a")
        a("acquire")
        for stranger in (one.on("b"), other, other.on("a")):
            with pytest.raises(AssertionError, match="not owned by thread"):
                stranger("release")
        assert other("acquire", False) is False
        a("release")
        assert one("locked") is False


def test_releasing_it_while_it_is_free_is_an_assertion_error_that_changes_nothing(pair):
    for one, other in pair.both():
        with pytest.raises(AssertionError):
            one("release")
        assert other("acquire", False) is True
        other("release")
        with pytest.raises(AssertionError):
            other("release")


def test_who_waits_gets_it_at_the_last_release_not_before(pair):
    for one, other in pair.both():
        a = one.on("a")
        a(times, "acquire", 2)
        waiting = other.on("w").begin("acquire").asleep()
        a("release")
        assert waiting.asleep().done() is False
        a("release")
        assert waiting.result() is True
        assert a("acquire", False) is False
        other.on("w")("release")


def test_locked_says_the_same_to_all(pair):
    for one, other in pair.both():
        assert (one("locked"), other("locked")) == (False, False)
        one("acquire")
        assert (one("locked"), other("locked")) == (True, True)
        one("release")


def test_with_nests(pair):
    def nested(lock):
        with lock, lock as entered:
            return entered

    assert nested(pair.here.primitive) is True
    for one, other in pair.both():
        a = one.on("a")
        a("acquire")
        assert a(enter) is True
        with pytest.raises(KeyError):
            a(enter_and_raise)
        assert other("acquire", False) is False
        a("release")
        assert other("acquire", False) is True
        other("release")


def test_a_timeout_is_kept(pair):
    for one, other in pair.both():
        one("acquire")
        got, took = other(timed, "acquire", timeout=0.05)
        assert got is False
        assert took >= 0.05
        one("release")


def test_one_that_gave_up_waiting_has_no_level_of_it(pair):
    for one, other in pair.both():
        one("acquire")
        w = other.on("w")
        assert w("acquire", True, 0.01) is False
        with pytest.raises(AssertionError):
            w("release")
        one("release")
        assert w("acquire", False) is True
        w("release")


def test_the_end_of_a_thread_frees_nothing(pair):
    one = pair.there
    call = one.begin("acquire")
    assert call.result() is True
    assert pair.here("acquire", False) is False
    assert one.on("another")("acquire", False) is False
    assert pair.here("locked") is True


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
        hog.result()


def test_its_repr_says_who_has_it(pair):
    for one, other in pair.both():
        assert "free" in other(show)
        one("acquire")
        assert f"held by pid {one.pid}" in other(show)
        one("release")


def test_other_handles_are_the_same_lock_and_count_the_same_levels(pair):
    lock = pair.here.primitive
    handles = same(lock)
    for handle in handles:
        assert handle.acquire(False) is True
    assert pair.there("acquire", False) is False
    for _ in handles:
        assert lock.locked()
        lock.release()
    assert pair.there("acquire", False) is True
    for handle in handles:
        assert handle.acquire(False) is False
    pair.there("release")


@pytest.mark.kills
def test_from_the_dead_it_is_had_at_depth_one_and_told(pair):
    pair.there.on("a")(times, "acquire", 3)
    b = pair.here.on("b")
    waiting = b.begin("acquire").asleep()
    pair.there.kill()
    assert waiting.result() is True
    assert b("abandoned") is True
    assert pair.here.on("c")("abandoned") is False
    b("acquire")
    b("release")
    assert b("abandoned") is True
    b("release")
    assert pair.here("locked") is False
    with pytest.raises(AssertionError):
        b("release")
