"""The laws of RWLock."""

import pytest
from doing import (
    read_a_lot,
    read_number,
    read_until_told,
    read_within,
    same,
    show,
    timed,
    until_it_began,
    write_a_lot,
    write_and_raise,
    write_number,
    write_until_told,
    write_within,
)

pytestmark = pytest.mark.made("RWLock")


def test_many_read_together(pair):
    for one, other in pair.both():
        assert one("acquire_read") is True
        assert other("acquire_read") is True
        assert one("acquire_read", False) is True
        assert (one("readers"), other("readers")) == (3, 3)
        assert one("release_read") is None
        one("release_read")
        other("release_read")
        assert (one("readers"), other("readers")) == (0, 0)


def test_while_one_writes_nobody_else_reads_or_writes(pair):
    for one, other in pair.both():
        assert one("acquire_write") is True
        for side in (one, other):
            for method in ("acquire_read", "acquire_write"):
                assert side(method, False) is False
                assert side(method, block=False) is False
                assert side(method, True, 0.01) is False
                assert side(method, timeout=-1) is False
        assert one("release_write") is None
        assert other("acquire_write", False) is True
        other("release_write")


def test_while_one_reads_nobody_writes(pair):
    for one, other in pair.both():
        one("acquire_read")
        for side in (one, other):
            assert side("acquire_write", False) is False
            assert side("acquire_write", True, 0.01) is False
            assert side("acquire_read", False) is True
            side("release_read")
        one("release_read")
        assert other("acquire_write", False) is True
        other("release_write")


@pytest.mark.parametrize("method", ["acquire_read", "acquire_write"])
def test_who_waits_for_a_write_gets_it_at_its_end(pair, method):
    for one, other in pair.both():
        one("acquire_write")
        waiting = other.begin(method).asleep()
        one("release_write")
        assert waiting.result() is True
        other(method.replace("acquire", "release"))


def test_a_writer_waits_for_the_last_reader(pair):
    for one, other in pair.both():
        one("acquire_read")
        other("acquire_read")
        waiting = other.begin("acquire_write").asleep()
        one("release_read")
        assert waiting.asleep().done() is False
        other("release_read")
        assert waiting.result() is True
        other("release_write")


def test_a_reader_that_comes_after_a_waiting_writer_waits_for_that_write_only(pair):
    for one, other in pair.both():
        one("acquire_read")
        writer = other.begin("acquire_write").asleep()
        assert one("acquire_read", False) is False
        readers = [side.begin("acquire_read").asleep() for side in (one, other)]
        later = one.begin("acquire_write").asleep()
        one("release_read")
        assert writer.result() is True
        assert [call.asleep().done() for call in (*readers, later)] == [False] * 3
        other("release_write")
        assert [call.result() for call in readers] == [True] * 2
        assert later.asleep().done() is False
        one("release_read")
        other("release_read")
        assert later.result() is True
        one("release_write")


def test_writers_have_it_in_order(pair):
    pair.here("acquire_read")
    order = (pair.there, pair.here) * 2
    calls = [side.begin("acquire_write").asleep() for side in order]
    pair.here("release_read")
    for place, (side, call) in enumerate(zip(order, calls, strict=True)):
        assert call.result() is True
        assert [other.done() for other in calls] == [True] * (place + 1) + [False] * (3 - place)
        side("release_write")


def test_a_writer_that_gives_up_lets_in_the_readers_behind_it(pair):
    for one, other in pair.both():
        one("acquire_read")
        hasty = other.begin("acquire_write", True, 0.5).asleep()
        reader = other.begin("acquire_read").asleep()
        assert hasty.result() is False
        assert reader.result() is True
        assert one("readers") == 2
        one("release_read")
        other("release_read")


def test_a_timeout_is_kept(pair):
    for one, other in pair.both():
        one("acquire_write")
        for method in ("acquire_read", "acquire_write"):
            got, took = other(timed, method, timeout=0.05)
            assert got is False
            assert took >= 0.05
        one("release_write")


def test_to_release_what_this_process_does_not_hold_is_a_value_error(pair):
    for one, other in pair.both():
        for method in ("release_read", "release_write"):
            with pytest.raises(ValueError, match="does not hold"):
                one(method)
        one("acquire_read")
        for side, method in (
            (other, "release_read"),
            (one, "release_write"),
            (other, "release_write"),
        ):
            with pytest.raises(ValueError, match="does not hold"):
                side(method)
        one("release_read")
        one("acquire_write")
        for side, method in (
            (one, "release_read"),
            (other, "release_read"),
            (other, "release_write"),
        ):
            with pytest.raises(ValueError, match="does not hold"):
                side(method)
        one("release_write")
        assert other("acquire_write", False) is True
        other("release_write")


def test_any_thread_of_its_process_may_release(pair):
    for one, other in pair.both():
        one.on("a")("acquire_read")
        one.on("b")("release_read")
        one.on("a")("acquire_write")
        one.on("b")("release_write")
        assert other("acquire_write", False) is True
        other("release_write")


def test_with_read_and_with_write_hold_it_for_the_body(pair):
    for one, other in pair.both():
        assert one(read_within) is True
        assert one(write_within) is True
        with pytest.raises(KeyError):
            one(write_and_raise)
        one("acquire_read")
        assert other(read_within) is True
        with pytest.raises(TimeoutError):
            other(write_within, 0.01)
        one("release_read")
        one("acquire_write")
        for function in (read_within, write_within):
            with pytest.raises(TimeoutError):
                other(function, 0.01)
            with pytest.raises(TimeoutError):
                other(function, 0)
        one("release_write")
        assert other("acquire_write", False) is True
        other("release_write")


def test_readers_never_see_half_a_write(pair, memory):
    sides = pair.here, pair.there
    writers = [side.begin(write_a_lot, memory, 200) for side in sides]
    readers = [side.begin(read_a_lot, memory, 400) for side in sides]
    assert [call.result(60) for call in readers] == [0, 0]
    assert [call.result(60) for call in writers] == [None, None]
    assert read_number(memory) == read_number(memory, 8) == 400


def test_a_writer_does_not_starve_beside_readers(pair, memory):
    for one, other in pair.both():
        write_number(memory, 0)
        write_number(memory, 0, 8)
        hogs = [side.begin(read_until_told, memory) for side in (one, other, other)]
        until_it_began(memory)
        for _ in range(10):
            assert one("acquire_write", True, 10) is True
            one("release_write")
        write_number(memory, 1)
        for hog in hogs:
            hog.result()


def test_a_reader_does_not_starve_beside_writers(pair, memory):
    for one, other in pair.both():
        write_number(memory, 0)
        write_number(memory, 0, 8)
        hogs = [side.begin(write_until_told, memory) for side in (one, other, other)]
        until_it_began(memory)
        for _ in range(10):
            assert one("acquire_read", True, 10) is True
            one("release_read")
        write_number(memory, 1)
        for hog in hogs:
            hog.result()


def test_its_repr_shows_its_state(pair):
    for one, other in pair.both():
        assert "free" in other(show)
        one("acquire_read")
        assert "1 reading" in other(show)
        one("release_read")
        one("acquire_write")
        assert f"written by pid {one.pid}" in other(show)
        one("release_write")


def test_other_handles_are_the_same_lock_and_any_may_release(pair):
    handles = same(pair.here.primitive)
    for handle in handles:
        assert handle.acquire_read(False)
    assert pair.there("readers") == 3
    for _ in handles:
        pair.here("release_read")
    for handle in handles:
        with handle.write():
            assert pair.there("acquire_read", False) is False


@pytest.mark.kills
def test_what_a_dead_writer_held_is_had_and_told_until_the_next_write_is_over(pair):
    pair.there("acquire_write")
    waiting = pair.here.begin("acquire_read").asleep()
    pair.there.kill()
    assert waiting.result() is True
    assert pair.here("abandoned") is True
    pair.here("release_read")
    assert pair.here("abandoned") is True
    pair.here("acquire_write")
    assert pair.here("abandoned") is True
    pair.here("release_write")
    assert pair.here("abandoned") is False


@pytest.mark.kills
def test_what_a_dead_reader_held_is_released_and_not_told(pair):
    pair.there("acquire_read")
    pair.there("acquire_read")
    waiting = pair.here.begin("acquire_write").asleep()
    pair.there.kill()
    assert waiting.result() is True
    assert pair.here("abandoned") is False
    assert pair.here("readers") == 0
    pair.here("release_write")


@pytest.mark.kills
def test_a_dead_writer_in_the_queue_holds_up_nobody(pair):
    pair.here("acquire_read")
    pair.there.begin("acquire_write").asleep()
    reader = pair.here.begin("acquire_read").asleep()
    pair.there.kill()
    assert reader.result() is True
    pair.here("release_read")
    pair.here("release_read")
