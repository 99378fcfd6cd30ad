"""What one who looks does about a deadlock: once in all processes, and nothing if it is not sure."""

import logging
import multiprocessing
import os
import signal
import threading
import time
import warnings

import pytest
from actors import SOON, heard, state_of
from remote import until
from waiting_graphs import owner, primitive, view, waiter

from latchwork.deadlocks import confirm
from latchwork.deadlocks.claims import Claim, Claims, claims
from latchwork.deadlocks.look import Mode, look
from latchwork.errors import DeadlockError, DeadlockWarning
from latchwork.inspect.threads import living

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Quick, and without what an earlier test has claimed."""
    monkeypatch.setattr(confirm, "PATIENCE", 0.1)
    yield
    claims.keep(threading.get_native_id(), None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "arena"
    path.touch()
    return str(path)


@pytest.fixture
def other():
    """Another thread, asleep, by its kernel id."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(SOON,))
    thread.start()
    yield thread.native_id
    over.set()
    thread.join()


class Ring:
    """This thread and another one, each of which holds what the other one waits for."""

    def __init__(self, file, other, pid=None, kind="RLock", mine=10.0, its=20.0, **more):
        """``mine`` and ``its``: how many seconds ago each began to wait."""
        self.file, self.kind, self.more = file, kind, more
        self.me = os.getpid(), threading.get_native_id()
        self.other = pid or os.getpid(), other
        self.mine, self.its = time.time() - mine, time.time() - its

    def __call__(self):
        exclusive = self.kind == "RLock"
        started = self.more.get("held", time.time() - 60)
        if "held" not in self.more:
            started = min(self.mine, self.its) - 60
        stack = self.more.get("stack", ("its.py:2 in work",))
        return [
            view(
                primitive(
                    self.kind,
                    "a",
                    [owner(*self.other, since=started, exclusive=exclusive)],
                    [waiter(*self.me, self.mine, stack=("mine.py:1 in work",))],
                ),
                primitive(
                    self.kind,
                    "b",
                    [owner(*self.me, since=started, exclusive=exclusive)],
                    [waiter(*self.other, self.its, stack=stack)],
                ),
                path=self.file,
            )
        ]


def looked(facts, mode=Mode.WARN, look_after=1.0, **more):
    """What is told."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        look(facts, mode, look_after, **more)
    return told


def test_it_is_told_once_and_again_when_it_comes_again(file, other):
    ring = Ring(file, other)
    (told,) = looked(ring)
    assert told.category is DeadlockWarning
    assert told.filename == __file__
    assert len(told.message.deadlock.waits) == 2
    assert "mine.py:1" in str(told.message)
    assert not looked(ring)
    assert not looked(list)
    assert not looked(ring)  # what could not be confirmed once need not be over
    assert len(looked(Ring(file, other, mine=5))) == 1


def test_the_last_one_to_wait_tells_at_once(file, other):
    assert len(looked(Ring(file, other, mine=0.05, its=10), look_after=1)) == 1


def test_the_others_tell_only_if_it_stays(file, other):
    assert not looked(Ring(file, other, mine=10, its=0.5), look_after=1)
    assert len(looked(Ring(file, other, mine=10, its=2.1), look_after=1)) == 1


@pytest.mark.parametrize(
    ("mode", "kind", "raises"),
    [
        (Mode.WARN, "RLock", False),
        (Mode.RAISE, "RLock", True),
        (Mode.RAISE, "Lock", False),
        (Mode.RAISE_PROBABLE, "Lock", True),
        (Mode.RAISE_PROBABLE, "RLock", True),
    ],
)
def test_it_is_broken_where_that_was_asked_for(file, other, mode, kind, raises):
    ring = Ring(file, other, kind=kind)
    if not raises:
        assert len(looked(ring, mode)) == 1
        return
    with pytest.raises(DeadlockError, match=r"its\.py:2") as caught:
        looked(ring, mode)
    assert caught.value.deadlock.certain == (kind == "RLock")
    assert not looked(ring, mode)  # one error is enough, even if it is not obeyed


def test_one_that_must_not_raise_tells_and_the_next_one_raises(file, other):
    assert len(looked(Ring(file, other), Mode.RAISE, may_raise=False)) == 1
    with pytest.raises(DeadlockError):
        looked(Ring(file, other, mine=10, its=5), Mode.RAISE)


def test_it_is_ignored_where_that_was_asked_for(file, other):
    def never():
        raise AssertionError

    assert not looked(never, Mode.IGNORE)


def test_it_is_logged_as_well_where_somebody_logs(file, other, caplog):
    with caplog.at_level(logging.WARNING, "latchwork"):
        looked(Ring(file, other))
    (record,) = caplog.records
    assert record.name == "latchwork"
    assert "mine.py:1" in record.getMessage()


# --- no false alarm -----------------------------------------------------------------------------------


def test_what_another_look_does_not_confirm_is_not_told(file, other):
    ring = Ring(file, other, held=time.time() - 60)

    def changing():
        ring.its += 0.1
        return ring()

    assert not looked(changing)
    looks = iter([ring(), []])
    assert not looked(lambda: next(looks))


def test_another_owner_of_the_same_is_not_the_same(file, other):
    ring = Ring(file, other)

    def changing():
        ring.more["held"] = ring.more.get("held", ring.its - 60) + 0.02
        return ring()

    assert not looked(changing)


def test_what_is_too_young_to_be_told_apart_is_not_told_yet(file, other):
    assert not looked(Ring(file, other, held=time.time() + 1))


def run_for_ever():
    while True:
        pass


def test_one_that_runs_is_not_stuck(file):
    """It was granted what it waits for, and could not say so yet."""
    child = FORK.Process(target=run_for_ever)
    child.start()
    until(lambda: state_of(child.pid) == "R")
    assert not looked(Ring(file, child.pid, pid=child.pid))
    child.kill()
    child.join()


def test_one_that_is_stopped_is_not_told_until_it_goes_on(file):
    child = FORK.Process(target=signal.pause)
    child.start()
    ring = Ring(file, child.pid, pid=child.pid)
    os.kill(child.pid, signal.SIGSTOP)
    until(lambda: state_of(child.pid) == "T")
    assert not looked(ring)
    os.kill(child.pid, signal.SIGCONT)
    until(lambda: state_of(child.pid) == "S")
    assert len(looked(ring)) == 1
    child.kill()
    child.join()


def test_a_line_that_comes_late_is_waited_for(file, other):
    ring = Ring(file, other, stack=())
    looks = []

    def late():
        looks.append(1)
        if len(looks) > 3:
            del ring.more["stack"]
            ring.more["stack"] = ("late.py:3 in work",)
        return ring()

    (told,) = looked(late)
    assert "late.py:3" in str(told.message)
    (told,) = looked(Ring(file, other, mine=3, stack=()))
    assert "a line that is not known" in str(told.message)


# --- claims -------------------------------------------------------------------------------------------


def take(claim, said):
    said.send(Claims().take(claim, 1))
    signal.pause()


def test_a_claim_is_had_by_one_process_until_its_death(file):
    claim = Claim(file, "told", "x")
    heard_of, said = FORK.Pipe()
    child = FORK.Process(target=take, args=(claim, said))
    child.start()
    assert heard(heard_of) is True
    mine = Claims()
    assert mine.take(claim, 1) is False
    assert mine.take(Claim(file, "told", "y"), 1) is True
    child.kill()
    child.join()
    assert mine.take(claim, 1) is True
    mine.keep(1, None)


def test_another_thread_of_the_process_does_not_get_it_again(file, other):
    mine, claim, me = Claims(), Claim(file, "told", "x"), threading.get_native_id()
    assert mine.take(claim, me) is True
    assert mine.take(claim, other) is False
    mine.keep(other, None)
    mine.keep(me, "x")
    assert mine.take(claim, other) is False
    mine.keep(me, "another")
    assert mine.take(claim, other) is True
    mine.keep(other, None)


def test_what_a_thread_had_claimed_that_has_ended_is_given_back(file):
    mine, claim = Claims(), Claim(file, "told", "x")
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()  # which returns before the kernel has ended it
    until(lambda: ended.native_id not in living(os.getpid()))
    assert mine.take(claim, ended.native_id) is True
    mine.keep(threading.get_native_id(), "y")
    assert mine.take(claim, threading.get_native_id()) is True
    mine.keep(threading.get_native_id(), None)


def claimed_and_forked(file, said):
    claims.take(Claim(file, "told", "x"), 1)
    child = FORK.Process(target=signal.pause)
    child.start()
    said.send(child.pid)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_forked_child_does_not_keep_its_parents_claim(file):
    heard_of, said = FORK.Pipe()
    parent = FORK.Process(target=claimed_and_forked, args=(file, said))
    parent.start()
    grandchild = heard(heard_of)
    mine = Claims()
    try:
        until(lambda: mine.take(Claim(file, "told", "x"), 1))
    finally:
        mine.keep(1, None)
        os.kill(grandchild, signal.SIGKILL)
        parent.join()


def test_a_claim_leaves_nothing_behind(file):
    files = len(os.listdir("/proc/self/fd"))
    mine = Claims()
    for what in ("told", "broken"):
        assert mine.take(Claim(file, what, "x"), 1) is True
    mine.keep(1, None)
    assert len(os.listdir("/proc/self/fd")) == files
    assert os.path.getsize(file) == 0


def test_where_nothing_can_be_claimed_the_victim_acts(tmp_path, other):
    nowhere = str(tmp_path / "none")
    ring = Ring(nowhere, other)
    assert len(looked(ring)) == 1
    assert not looked(ring)
    assert not looked(Ring(nowhere, other, mine=10, its=5))
