"""The laws of Semaphore: a count that nobody owns; and of one whose permits have owners."""

import pytest
from doing import enter, enter_and_raise, same, show, timed, times
from remote import until

made = pytest.mark.made
pytestmark = made("Semaphore", 2)
owned = made("Semaphore", 2, owned=True)


def churn(semaphore, count):
    for _ in range(count):
        with semaphore:
            pass


@pytest.mark.parametrize("value", [pytest.param(v, marks=made("Semaphore", v)) for v in (0, 1, 3)])
def test_as_many_permits_as_it_was_made_with(pair, value):
    for one, other in pair.both():
        for left in range(value, 0, -1):
            assert (one("get_value"), other("get_value")) == (left, left)
            assert one("acquire", False) is True
        for side in (one, other):
            assert side("get_value") == 0
            assert side("acquire", False) is False
            assert side("acquire", True, 0.01) is False
        other(times, "release", value)


def test_any_process_may_release_and_beyond_what_it_began_with(pair):
    for number, (one, other) in enumerate(pair.both()):
        assert one("release") is None
        assert other("get_value") == 3 + 3 * number
        other("release", 2)
        assert one("get_value") == 5 + 3 * number


@made("Semaphore", 0)
def test_who_waits_gets_what_another_gives(pair):
    for one, other in pair.both():
        for timeout in ((), (True, 30)):
            waiting = other.begin("acquire", *timeout).asleep()
            one("release")
            assert waiting.result() is True
            assert one("get_value") == 0


@made("Semaphore", 0)
@pytest.mark.parametrize("spelling", [{"args": (2,)}, {"kwargs": {"n": 2}}])
def test_release_of_n_wakes_n(pair, spelling):
    for one, _ in pair.both():
        calls = [side.begin("acquire").asleep() for side in (pair.here, pair.there) for _ in (1, 2)]
        one("release", *spelling.get("args", ()), **spelling.get("kwargs", {}))
        until(lambda calls=calls: [call.done() for call in calls].count(True) >= 2)
        left = [call for call in calls if not call.done()]
        assert len(left) == 2
        for call in left:
            assert call.asleep().done() is False
        one("release", 2)
        assert [call.result() for call in calls] == [True] * 4
        assert one("get_value") == 0


@pytest.mark.parametrize("n", [0, -1])
def test_to_release_less_than_one_is_a_value_error(pair, n):
    for one, other in pair.both():
        with pytest.raises(ValueError, match="one or more"):
            one("release", n)
        assert other("get_value") == 2


@made("Semaphore", 0)
def test_one_that_gave_up_waiting_takes_no_permit(pair):
    for one, other in pair.both():
        got, took = other(timed, "acquire", timeout=0.05)
        assert got is False
        assert took >= 0.05
        one("release")
        assert other("get_value") == 1
        assert one("acquire", False) is True


def test_zero_and_negative_timeouts_try_once(pair):
    for one, other in pair.both():
        assert one("acquire", True, 0) is True
        assert one("acquire", timeout=-1) is True
        assert other("acquire", True, -1) is False
        assert other("acquire", timeout=0) is False
        one("release", 2)


def test_with_takes_and_gives_back(pair):
    for one, other in pair.both():
        assert one(enter) is True
        with pytest.raises(KeyError):
            one(enter_and_raise)
        assert other("get_value") == 2


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("counted", marks=made("Semaphore", 2)),
        pytest.param("owned", marks=owned),
        pytest.param("bounded", marks=made("BoundedSemaphore", 2)),
        pytest.param("bounded count", marks=made("BoundedSemaphore", 2, owned=False)),
    ],
)
def test_no_permit_is_lost_or_made(pair, kind):
    calls = [side.begin(churn, 500) for side in (pair.here, pair.there) for _ in range(2)]
    for call in calls:
        call.result(60)
    assert pair.here("get_value") == pair.there("get_value") == 2


def test_its_repr_shows_its_value(pair):
    for one, other in pair.both():
        one("acquire")
        assert "1" in other(show)
        one("release")
        assert "2" in other(show)


def test_other_handles_are_the_same_semaphore(pair):
    handles = same(pair.here.primitive)
    pair.there("acquire")
    assert [handle.get_value() for handle in handles] == [1] * 3
    handles[0].release()
    assert pair.there("get_value") == 2


@pytest.mark.kills
def test_permits_that_nobody_owns_die_with_who_took_them(pair):
    pair.there("acquire")
    pair.there.kill()
    assert pair.here("get_value") == 1
    pair.here("release")
    assert pair.here("get_value") == 2


# --- owned ------------------------------------------------------------------------------------------


@owned
def test_only_an_owner_may_release_an_owned_one(pair):
    for one, other in pair.both():
        assert one("owned") is True
        with pytest.raises(ValueError, match="too many times"):
            one("release")
        assert one("acquire") is True
        with pytest.raises(ValueError, match="too many times"):
            other("release")
        with pytest.raises(ValueError, match="too many times"):
            one("release", 2)
        assert other("get_value") == 1
        one("release")
        assert other("get_value") == 2


@owned
def test_any_thread_of_its_owner_may_release_an_owned_one(pair):
    for one, other in pair.both():
        one.on("a")("acquire")
        one.on("b")("release")
        assert other("get_value") == 2


@owned
def test_owned_ones_are_had_in_order(pair):
    pair.here("acquire")
    pair.here("acquire")
    calls = [side.begin("acquire").asleep() for side in (pair.there, pair.here) * 2]
    for place, call in enumerate(calls):
        assert [other.done() for other in calls] == [True] * place + [False] * (4 - place)
        (pair.here if place < 2 else (pair.there, pair.here)[place % 2])("release")
        assert call.result() is True


@owned
@pytest.mark.kills
def test_owned_ones_come_back_from_the_dead(pair):
    pair.there(times, "acquire", 2)
    assert pair.here("get_value") == 0
    waiting = pair.here.begin("acquire").asleep()
    pair.there.kill()
    assert waiting.result() is True
    assert pair.here("get_value") == 1
    pair.here("release")
    assert pair.here("get_value") == 2
