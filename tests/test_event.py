"""Event: True for everyone who was there when it was set."""

import threading
import time

import pytest
from actors import METHODS, SOON, asleep, heard, wait_for

import latchwork


@pytest.fixture
def event():
    return latchwork.Event()


def test_set_and_clear_do_what_they_say(event):
    assert not event.is_set()
    event.set()
    assert event.is_set()
    event.set()
    assert event.is_set()
    event.clear()
    assert not event.is_set()
    event.clear()
    assert not event.is_set()


def test_waiting_for_a_set_event_returns_at_once(event):
    event.set()
    assert event.wait() is True
    assert event.wait(0) is True
    assert event.wait(timeout=-1) is True


@pytest.mark.parametrize("timeout", [0, -1, 0.0])
def test_without_time_to_wait_it_only_looks(event, timeout):
    assert event.wait(timeout) is False


def test_false_only_when_the_time_is_up(event):
    before = time.monotonic()
    assert event.wait(0.15) is False
    assert time.monotonic() - before >= 0.15


def test_a_wrong_call_is_an_error(event):
    with pytest.raises(TypeError):
        event.wait(1, 2)
    with pytest.raises(TypeError):
        event.wait(seconds=1)
    with pytest.raises(TypeError):
        event.wait("soon")
    with pytest.raises(ValueError, match="NaN"):
        event.wait(float("nan"))


@pytest.mark.parametrize("method", METHODS)
def test_clear_right_after_set_loses_no_waiter(event, method, no_net):
    ctx = latchwork.get_context(method)
    said, saying = ctx.Pipe()
    for _ in range(5):
        child = ctx.Process(target=wait_for, args=(event, saying))
        child.start()
        assert heard(said) == "waiting"
        asleep(child.pid)
        event.set()
        event.clear()
        assert heard(said)[0] is True
        child.join(SOON)


def test_one_set_wakes_a_hundred_processes_and_threads(event, no_net):
    ctx = latchwork.get_context("fork")
    said, saying = ctx.Pipe()
    children = [ctx.Process(target=wait_for, args=(event, saying)) for _ in range(50)]
    for child in children:
        child.start()
    woken = []
    threads = [threading.Thread(target=lambda: woken.append(event.wait(SOON))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for child in children:
        asleep(child.pid)
    event.set()
    answers = [heard(said) for _ in range(100)]
    assert [a[0] for a in answers if a != "waiting"] == [True] * 50
    for thread in threads:
        thread.join(SOON)
    assert woken == [True] * 50


def test_its_repr_says_whether_it_is_set(event):
    slot, generation = event._place
    assert repr(event) == f"<Event at {slot}.{generation} unset>"
    event.set()
    assert repr(event) == f"<Event at {slot}.{generation} set>"
    assert repr(latchwork.Event(name="shown")) == "<Event 'shown' unset>"
