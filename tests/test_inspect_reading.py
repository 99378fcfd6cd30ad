"""What is made of two looks between which something has changed."""

import os
import subprocess
import sys
import threading
import time

import pytest
from remote import until

from latchwork import _core
from latchwork.inspect import threads
from latchwork.inspect.reading import Found, Reader, Row


class Arena:
    """Says what a test has it say; those who wait, look by look."""

    uuid = bytes(16)

    def __init__(self, found, *looks):
        self.found, self.looks = found, list(looks)

    def waiting(self):
        return self.looks.pop(0)

    def survey(self, places):
        return [self.found]


def row(pid=1, thread=1, since=1.0):
    return Row(1, 1, pid, thread, 0, False, 0, int(since * 1e9), None, b"")


def found(kind="LOCK", holdings=(), chosen=(), **more):
    facts = dict.fromkeys(("state", "value", "limit", "deaths", "deadlock"), 0) | more
    return Found(
        slot=1,
        generation=1,
        kind=_core.KINDS.index(kind),
        name=None,
        bounded=True,
        holdings=list(holdings),
        chosen=list(chosen),
        **facts,
    )


def seen(found, *looks):
    reader = Reader(Arena(found, *looks), None)
    (one,) = reader.statistics(None, reader.rows())
    return one


def test_who_has_gone_before_the_second_look_is_no_waiter():
    assert seen(found(), [row(), row(pid=2)], [row(pid=2)]).waiters[0].pid == 2


def test_who_waits_anew_at_the_second_look_is_no_waiter():
    assert seen(found(), [row(since=1)], [row(since=2)]).waiters == ()


def test_one_that_was_chosen_is_no_waiter():
    assert (
        len(seen(found("PERMITS", chosen=[1]), [row(), row(pid=2)], [row(), row(pid=2)]).waiters)
        == 1
    )


def test_one_that_has_it_and_runs_is_no_waiter_for_it():
    """One that waits for a Lock that it has itself is asleep, or looks around just now."""
    me = os.getpid(), threading.get_native_id()
    holding = (*me, 100, 1, False)
    assert len(seen(found(holdings=[holding]), [row(*me)], [row(*me)]).waiters) == 1
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        runs = busy.pid, busy.pid
        holding = (*runs, 100, 1, False)
        try:
            until(lambda: not seen(found(holdings=[holding]), [row(*runs)], [row(*runs)]).waiters)
        finally:
            busy.kill()
    sleeping, over = threading.Event(), threading.Event()

    def sleep():
        sleeping.set()
        over.wait()

    other = threading.Thread(target=sleep)
    other.start()
    sleeping.wait()
    until_asleep(other.native_id)
    holding = (os.getpid(), other.native_id, 100, 1, False)
    waits = row(os.getpid(), other.native_id)
    assert len(seen(found(holdings=[holding]), [waits], [waits]).waiters) == 1
    over.set()
    other.join()


def until_asleep(thread):
    end = time.monotonic() + 30
    while not threads.asleep(os.getpid(), thread):
        assert time.monotonic() < end


def test_a_permit_that_is_on_its_way_to_one_that_waits_is_not_free():
    holding = (7, 0, 100, 1, False)
    told = seen(found("PERMITS", [holding], value=1, limit=2), [row()], [row()])
    assert (told.value, told.limit, told.state) == (0, 2, "exhausted")


def test_nothing_is_of_a_time_to_come():
    """Clocks are set back; and what is seen began before it was looked at."""
    now = time.time()
    for ahead in (0.01, 1, 3600, 86000):
        holding = (7, 0, int((now + ahead) * 100) % (1 << 32), 1, False)
        told = seen(found(holdings=[holding]), [row(since=now + ahead)], [row(since=now + ahead)])
        assert told.owner.since <= told.taken
        assert told.waiters[0].since <= told.taken


@pytest.mark.parametrize("days", [0, 1, 30, 490])
def test_a_stamp_is_the_last_time_that_it_can_mean(days):
    then = time.time() - days * 86400
    holding = (7, 0, int(then * 100) % (1 << 32), 1, False)
    assert seen(found(holdings=[holding]), []).owner.since == pytest.approx(then, abs=0.02)
