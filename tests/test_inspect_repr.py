"""What a primitive shows of itself in a message: who has it, how many wait; never an error."""

import resource
import sys

import pytest
from party import Party
from remote import until

import latchwork
from latchwork.inspect.programs import program


@pytest.fixture
def owner():
    owner = Party()
    yield owner
    owner.process.kill()
    owner.process.join()


@pytest.fixture
def crowd():
    crowd = [Party() for _ in range(3)]
    yield crowd
    for party in crowd:
        party.process.kill()
        party.process.join()


KINDS = {
    "Lock": ((), "acquire", "acquire", "<Lock 'r' held by {owner}, 3 waiting>"),
    "RLock": ((), "acquire", "acquire", "<RLock 'r' held by {owner}, 3 waiting>"),
    "Semaphore": ((1,), "acquire", "acquire", "<Semaphore 'r' 0 of 1 free, 3 waiting>"),
    "BoundedSemaphore": (
        *((1,), "acquire", "acquire", "<BoundedSemaphore 'r' 0 of 1 free, 3 waiting>"),
    ),
    "Event": ((), "clear", "wait", "<Event 'r' unset, 3 waiting>"),
    "Latch": ((2,), "count_down", "wait", "<Latch 'r' 1 of 2 to go, 3 waiting>"),
    "Barrier": ((5,), "n_waiting", "wait", "<Barrier 'r' 3 of 5 waiting>"),
    "RWLock": (
        *((), "acquire_write", "acquire_read", "<RWLock 'r' written by {owner}, 3 waiting>"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_who_has_it_and_how_many_wait(kind, owner, crowd):
    made, hold, wait, shown = KINDS[kind]
    primitive = getattr(latchwork, kind)(*made, name="r", namespace=f"repr-{kind}")
    owner.asked(primitive, hold).says()
    for party in crowd:
        party.begins(primitive, wait)
    until(lambda: len(primitive.statistics().waiters) == 3)
    shown = shown.format(owner=f"pid {owner.pid} ({program(owner.pid)})")
    assert repr(primitive) == shown
    assert owner.does(primitive, "__repr__").result == shown


def test_readers_are_counted(owner, crowd):
    rwlock = latchwork.RWLock()
    for party in crowd:
        party.does(rwlock, "acquire_read")
    owner.begins(rwlock, "acquire_write")
    until(lambda: rwlock.statistics().waiters)
    assert repr(rwlock) == "<RWLock 3 reading, 1 waiting>"


@pytest.mark.parametrize("kind", [*KINDS, "Condition"])
def test_one_that_is_gone_says_so(kind, run):
    made = "2" if kind in ("Barrier", "Latch") else ""
    source = f"""
import os, latchwork
primitive = latchwork.{kind}({made})
path = latchwork.program.places()[0].path
index, generation = primitive._place
with open(path, "r+b") as arena:
    # As if it had been freed: its generation is a later one.
    arena.seek(os.stat(path).st_size - SLOTS * 64 + index * 64 + 20)
    arena.write((generation + 1).to_bytes(4, "little"))
print(repr(primitive))
try:
    primitive.statistics()
except latchwork.GoneError:
    print("gone")
"""
    source = source.replace("SLOTS", "512")
    assert run(source).splitlines() == [f"<{kind} (gone)>", "gone"]


def test_without_files_to_open_it_still_says_what_it_is():
    lock = latchwork.Lock()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with lock:
            shown = repr(lock)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert shown.startswith("<Lock")


def test_an_interpreter_that_ends_still_says_what_it_is(run):
    source = """
import sys, latchwork

class Last:
    def __init__(self):
        self.lock = latchwork.Lock()
    def __del__(self):
        sys.stdout.write(repr(self.lock))
        sys.stdout.flush()

last = Last()
sys.modules["kept for the very end"] = last
"""
    assert run(source).startswith("<Lock")


def test_at_the_end_of_the_stack_it_still_says_what_it_is():
    lock = latchwork.Lock()

    def down(depth):
        return down(depth - 1) if depth else repr(lock)

    shown = set()
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        for depth in range(150, 300):
            try:
                shown.add(down(depth))
            except RecursionError:
                break
    finally:
        sys.setrecursionlimit(before)
    assert shown <= {"<Lock free>", "<Lock>"}
