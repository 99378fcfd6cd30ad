"""What laws let either side do with a primitive: functions that the other process can import."""

import contextlib
import copy
import mmap
import pickle
import sys
import time

from remote import until

noted = []


def note():
    """A Barrier's action."""
    noted.append(1)


def fail():
    raise KeyError("the action failed")


def notes(_):
    """How often the action ran in this process since it was last asked."""
    count = len(noted)
    noted.clear()
    return count


@contextlib.contextmanager
def shared(path):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        yield memory


def number_at(memory, place=0):
    return int.from_bytes(memory[place : place + 8], sys.byteorder)


def put(memory, number, place=0):
    memory[place : place + 8] = number.to_bytes(8, sys.byteorder)


def read_number(path, place=0):
    with shared(path) as memory:
        return number_at(memory, place)


def write_number(path, number, place=0):
    with shared(path) as memory:
        put(memory, number, place)


def count_under(lock, path, times):
    """Add one, as often, in a way that loses some unless `lock` excludes all others."""
    with shared(path) as memory:
        for _ in range(times):
            with lock:
                put(memory, number_at(memory) + 1)


def take_turns_until_told(lock, path):
    """Hog it; how often it was had. Told by a number that is not zero."""
    turns = 0
    with shared(path) as memory:
        while not number_at(memory):
            with lock:
                turns += 1
            put(memory, turns, 8)
    return turns


def until_it_began(path):
    """Wait until the one that takes turns has had its first."""
    until(lambda: read_number(path, 8))


def enter(primitive):
    with primitive as entered:
        return entered


def enter_and_raise(primitive):
    with primitive:
        raise KeyError("in the body")


def timed(primitive, method, *args, **kwargs):
    """The result, and how long it took."""
    before = time.monotonic()
    result = getattr(primitive, method)(*args, **kwargs)
    return result, time.monotonic() - before


def try_and_give_back(primitive):
    got = primitive.acquire(False)
    if got:
        primitive.release()
    return got


def same(primitive):
    """Other handles of it in this process."""
    return [
        copy.copy(primitive),
        copy.deepcopy([primitive])[0],
        pickle.loads(pickle.dumps(primitive)),
    ]


def times(primitive, method, count, *args):
    for _ in range(count):
        getattr(primitive, method)(*args)


def show(primitive):
    return repr(primitive)


# --- Condition --------------------------------------------------------------------------------------


def wait_within(condition, timeout=None):
    """Acquire, wait, release; what wait() returned."""
    with condition:
        return condition.wait(timeout)


def notify_within(condition, n=1):
    with condition:
        condition.notify(n)


def notify_all_within(condition):
    with condition:
        condition.notify_all()


def wait_for_number(condition, path, number, timeout=None):
    with shared(path) as memory, condition:
        return condition.wait_for(lambda: number_at(memory) >= number, timeout)


def add_and_notify(condition, path):
    with shared(path) as memory, condition:
        put(memory, number_at(memory) + 1)
        condition.notify_all()


def play(condition, path, mine, rounds):
    """Two take turns: a number is even for one of them, odd for the other."""
    with shared(path) as memory, condition:
        for _ in range(rounds):
            if not condition.wait_for(lambda: number_at(memory) % 2 == mine, 30):
                return False
            put(memory, number_at(memory) + 1)
            condition.notify()
    return True


def consume(condition, path, wanted):
    """Take one after the other out of a number of goods; how many times it waited for nothing."""
    with shared(path) as memory:
        for _ in range(wanted):
            with condition:
                while not number_at(memory):
                    if not condition.wait(30):
                        return False
                put(memory, number_at(memory) - 1)
    return True


# --- Barrier ----------------------------------------------------------------------------------------


def rounds(barrier, count):
    return [barrier.wait() for _ in range(count)]


# --- RWLock -----------------------------------------------------------------------------------------


def read_within(rwlock, timeout=None):
    with rwlock.read(timeout) as entered:
        return entered


def write_within(rwlock, timeout=None):
    with rwlock.write(timeout) as entered:
        return entered


def write_and_raise(rwlock):
    with rwlock.write():
        raise KeyError("in the body")


def write_a_lot(rwlock, path, count):
    """Add one to each of two numbers, which readers must find equal."""
    with shared(path) as memory:
        for _ in range(count):
            with rwlock.write():
                put(memory, number_at(memory) + 1)
                put(memory, number_at(memory, 8) + 1, 8)


def read_a_lot(rwlock, path, count):
    """How often they were not equal."""
    torn = 0
    with shared(path) as memory:
        for _ in range(count):
            with rwlock.read():
                torn += number_at(memory) != number_at(memory, 8)
    return torn


def read_until_told(rwlock, path):
    with shared(path) as memory:
        turns = 0
        while not number_at(memory):
            with rwlock.read():
                turns += 1
            put(memory, turns, 8)


def write_until_told(rwlock, path):
    with shared(path) as memory:
        turns = 0
        while not number_at(memory):
            with rwlock.write():
                turns += 1
            put(memory, turns, 8)
