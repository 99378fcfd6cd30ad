"""Misuse: each wrong call, made in a child process on multiprocessing and on Latchwork.

Ours must get the error that multiprocessing gives, or a better named subclass of it. Where it gives a
silly one, none at all, or hangs, the second table says what, what ours does instead, and why; both are
checked, so the reason stays true. The third table is for what multiprocessing does not have.

A row: the call | what comes of it | a pattern in our message. In a call, `mp` is the library; `nothing`
is a call that raises nothing, `anything` one that is not worth looking at.
"""

import multiprocessing
import pickle
import re
import threading
import uuid
from typing import NamedTuple

import pytest
from actors import SOON

import latchwork

SAME = """
# What is acquired, as `each`: Lock, RLock, Semaphore, BoundedSemaphore, Condition over each kind of lock
each.acquire(True, None, 1)                     | TypeError     | at most 2
each.acquire(wait=True)                         | TypeError     | 'wait'
each.acquire(True, block=True)                  | TypeError     | 'block'
each.acquire(True, "1")                         | TypeError     | real number, not str
each.acquire(timeout=[])                        | TypeError     | real number, not list
each.acquire(timeout=10**400)                   | OverflowError | too large

mp.Lock(1)                                      | TypeError     | argument
mp.Lock(value=1)                                | TypeError     | value
mp.Lock().release()                             | ValueError    | nobody holds
mp.Lock().__exit__(None, None, None)            | ValueError    | nobody holds
held(mp.Lock()).release(1)                      | TypeError     | no arguments

mp.RLock(1)                                     | TypeError     | argument
mp.RLock().release()                            | AssertionError | not owned by thread
mp.RLock().__exit__(None, None, None)           | AssertionError | not owned by thread
held(mp.RLock()).release(1)                     | TypeError     | no arguments
twice(held(mp.RLock()).release)                 | AssertionError | not owned by thread
with_(mp.RLock(), lambda k: on_a_thread(held(k).release)) | AssertionError | not owned by thread
with_(mp.RLock(), lambda k: in_a_fork(mp, held(k).release)) | AssertionError | not owned by thread

mp.Event(1)                                     | TypeError     | argument
mp.Event().set(1)                               | TypeError     | no arguments
mp.Event().clear(1)                             | TypeError     | no arguments
mp.Event().is_set(1)                            | TypeError     | no arguments
mp.Event().wait(1, 2)                           | TypeError     | at most 1
mp.Event().wait(seconds=1)                      | TypeError     | 'seconds'
mp.Event().wait("1")                            | TypeError     | real number, not str

# Semaphore and BoundedSemaphore, as `Sem`
Sem("1")                                        | TypeError     | str
Sem(1.0)                                        | TypeError     | float
Sem(None)                                       | TypeError     | NoneType
Sem(1, 2)                                       | TypeError     | argument
Sem(count=1)                                    | TypeError     | count
Sem().get_value(1)                              | TypeError     | no arguments
held(Sem()).release(1, 1)                       | TypeError     | at most 1
held(Sem()).release(count=1)                    | TypeError     | 'count'
held(Sem()).release("1")                        | TypeError     | str
held(Sem()).release(1.0)                        | TypeError     | float
mp.Semaphore(2**31 - 1).release()               | ValueError    | too many times
mp.BoundedSemaphore(2).release()                | ValueError    | too many times
twice(held(mp.BoundedSemaphore()).release)      | ValueError    | too many times

mp.Condition(mp.Lock(), mp.Lock())              | TypeError     | argument
mp.Condition().wait()                           | AssertionError | must acquire
mp.Condition().wait(0)                          | AssertionError | must acquire
mp.Condition().wait_for(lambda: False)          | AssertionError | must acquire
mp.Condition().notify()                         | AssertionError | not owned
mp.Condition().notify_all()                     | AssertionError | not owned
mp.Condition().release()                        | AssertionError | not owned
mp.Condition(mp.Lock()).release()               | ValueError    | nobody holds
with_(mp.Condition(), lambda c: on_a_thread(held(c).wait)) | AssertionError | must acquire
with_(mp.Condition(), lambda c: in_a_fork(mp, held(c).notify)) | AssertionError | not owned
with_(mp.Condition(mp.Lock()), lambda c: in_a_fork(mp, held(c).notify)) | AssertionError | not owned
held(mp.Condition()).wait("1")                  | TypeError     | real number, not str
held(mp.Condition()).wait(1, 2)                 | TypeError     | at most 1
held(mp.Condition()).wait(seconds=1)            | TypeError     | 'seconds'
held(mp.Condition()).wait_for(1)                | TypeError     | callable
held(mp.Condition()).wait_for(lambda: 0, "1")   | TypeError     | str
held(mp.Condition()).wait_for(lambda: {}[1])    | KeyError      |
held(mp.Condition()).notify("1")                | TypeError     | str
held(mp.Condition()).notify(1, 2)               | TypeError     | at most 1
held(mp.Condition()).notify(count=1)            | TypeError     | 'count'
held(mp.Condition()).notify_all(1)              | TypeError     | no arguments
held(mp.Condition()).notify(0)                  | nothing       |
held(mp.Condition()).notify(-1)                 | nothing       |
held(mp.Condition()).notify(2**63 - 1)          | nothing       |
held(mp.Condition()).notify(10**30)             | nothing       |

mp.Barrier()                                    | TypeError     | parties
mp.Barrier(2, None, None, None)                 | TypeError     | argument
mp.Barrier(2, None, "1").wait()                 | TypeError     | real number, not str
mp.Barrier(2).wait("1")                         | TypeError     | real number, not str
mp.Barrier(2).wait(1, 2)                        | TypeError     | argument
mp.Barrier(2).wait(seconds=1)                   | TypeError     | 'seconds'
mp.Barrier(2).wait(0.01)                        | BrokenBarrierError | reset
mp.Barrier(2).abort(1)                          | TypeError     | no arguments
mp.Barrier(2).reset(1)                          | TypeError     | no arguments
mp.Barrier(1, lambda: {}[1]).wait()             | KeyError      |
setattr(mp.Barrier(2), "parties", 3)            | AttributeError |
setattr(mp.Barrier(2), "n_waiting", 3)          | AttributeError |
setattr(mp.Barrier(2), "broken", True)          | AttributeError |
spawn_with(mp, mp.get_context("spawn").Barrier(2, lambda: 1)) | CANT_PICKLE | [Cc]an't (get|pickle)

# What is built on them
mp.Queue("1")                                   | TypeError     | str
put_after_close(mp)                             | ValueError    | closed
mp.JoinableQueue().task_done()                  | ValueError    | too many times
mp.Value("i", lock="no")                        | AttributeError | no method 'acquire'
mp.Array("i", 1, lock="no")                     | AttributeError | no method 'acquire'
mp.Pool(0)                                      | ValueError    | at least 1
mp.get_context("teleport")                      | ValueError    | teleport
"""

DIFFERS = """
# A call | multiprocessing | ours | its message | why
held_here(each).acquire(timeout=NAN) | anything | ValueError | NaN | a wait for a time that nobody knows
each.acquire(blocking=False, timeout=1) | TypeError | ValueError | non-blocking | threading's spelling
each.acquire(blocking=True, timeout=-2) | TypeError | ValueError | non-negative | threading's spelling
mp.Lock().locked(1) | anything | TypeError | no arguments | it has locked() from 3.14 on only
setattr(mp.Lock(), "abandoned", 1) | anything | AttributeError | writable | there is no such thing there
mp.Event().wait(NAN) | anything | ValueError | NaN | a wait for a time that nobody knows

mp.Semaphore(-1) | OSError | ValueError | value must be 0 to | "invalid argument" says nothing
mp.BoundedSemaphore(-1) | (OSError, ValueError) | ValueError | value must be 0 to | the same
Sem(2**31) | OverflowError | ValueError | value must be 0 to | one error for all that is out of range
held(Sem()).release(0) | TypeError | ValueError | one or more | release(n) is threading's
held(Sem()).release(-1) | TypeError | ValueError | one or more | release(n) is threading's
held(Sem()).release(1) | TypeError | nothing | | release(n) is threading's

mp.Condition("lock") | AttributeError | TypeError | a Lock or RLock | a wrong argument is a TypeError
held(mp.Condition(threading.Lock())).wait() | AttributeError | TypeError | Lock or RLock of | no waiting
held(mp.Condition(mp.Semaphore(2))).notify() | nothing | TypeError | Lock or RLock of | it excludes nobody
held(mp.Condition(foreign(mp))).wait(0) | nothing | TypeError | Lock or RLock of | not its to let go of
mp.Condition(0) | nothing | TypeError | a Lock or RLock | all that is false is taken for None there

mp.Barrier(0) | nothing | ValueError | parties must be 1 to | wait() would break it or never end
mp.Barrier(-1) | nothing | ValueError | parties must be 1 to | wait() would break it or never end
mp.Barrier("2") | nothing | TypeError | str | the error comes in wait() only
mp.Barrier(2.5) | nothing | TypeError | float | they would never meet
mp.Barrier(2, 1) | nothing | TypeError | callable | the error comes in the last one's wait() only

# What multiprocessing refuses and ours can do
pickle.dumps(mp.Lock()) | RuntimeError | nothing | | the same object, wherever it is unpickled
pickle.dumps(mp.RLock()) | RuntimeError | nothing | | the same object, wherever it is unpickled
pickle.dumps(mp.Event()) | RuntimeError | nothing | | the same object, wherever it is unpickled
pickle.dumps(mp.Condition()) | RuntimeError | nothing | | the same object, wherever it is unpickled
pickle.dumps(mp.Barrier(2)) | RuntimeError | nothing | | the same object, wherever it is unpickled
pickle.dumps(Sem()) | RuntimeError | nothing | | the same object, wherever it is unpickled
spawn_with(mp, mp.Lock()) | RuntimeError | nothing | | the same object, whichever context made it

# What multiprocessing can do and ours refuses
setattr(mp.Lock(), "note", 1) | nothing | AttributeError | note | 64 bytes and no dict; a subclass has one
"""

OURS = """
mp.BoundedSemaphore(2, owned=False).release()   | ValueError    | too many times
mp.Semaphore(2, owned=True).release()           | ValueError    | too many times
in_a_fork(mp, held(mp.Semaphore(2, owned=True)).release) | ValueError | too many times

mp.RWLock(1)                                    | TypeError     | argument
within(mp.RWLock())                             | TypeError     | context manager
mp.RWLock().release_read()                      | ValueError    | read released that this process does
mp.RWLock().release_write()                     | ValueError    | write released that this process does
mp.RWLock().release_read(1)                     | TypeError     | no arguments
in_a_fork(mp, reading(mp.RWLock()).release_read) | ValueError   | does not hold
in_a_fork(mp, writing(mp.RWLock()).release_write) | ValueError  | does not hold
mp.RWLock().acquire_read(True, None, 1)         | TypeError     | at most 2
mp.RWLock().acquire_write(wait=1)               | TypeError     | 'wait'
mp.RWLock().acquire_write(True, "1")            | TypeError     | real number, not str
mp.RWLock().acquire_read(timeout=NAN)           | ValueError    | NaN
within(mp.RWLock().read("1"))                   | TypeError     | real number, not str
within(mp.RWLock().write(NAN))                  | ValueError    | NaN
mp.RWLock().read(1, 2)                          | TypeError     | at most 1
mp.RWLock().write(seconds=1)                    | TypeError     | 'seconds'
mp.RWLock().read().__exit__()                   | ValueError    | does not hold
within(reading(mp.RWLock()).write(0))           | TimeoutError  | in time
setattr(mp.RWLock(), "readers", 1)              | AttributeError |

mp.Latch()                                      | TypeError     | count
mp.Latch(-1)                                    | ValueError    | count must be 0 to
mp.Latch(2**31)                                 | ValueError    | count must be 0 to
mp.Latch("1")                                   | TypeError     | str
mp.Latch(1.0)                                   | TypeError     | float
mp.Latch(1, 2)                                  | TypeError     | argument
mp.Latch(1).count_down(0)                       | ValueError    | one or more
mp.Latch(1).count_down(-1)                      | ValueError    | one or more
mp.Latch(1).count_down("1")                     | TypeError     | str
mp.Latch(1).count_down(1.0)                     | TypeError     | float
mp.Latch(1).count_down(1, 2)                    | TypeError     | at most 1
mp.Latch(1).count_down(count=1)                 | TypeError     | 'count'
mp.Latch(1).wait("1")                           | TypeError     | real number, not str
mp.Latch(1).wait(NAN)                           | ValueError    | NaN
mp.Latch(1).wait(1, 2)                          | TypeError     | at most 1
mp.Latch(1).wait(seconds=1)                     | TypeError     | 'seconds'
setattr(mp.Latch(1), "count", 1)                | AttributeError |

# Names: every kind, as `make`
make(name="")                                   | InvalidNameError | must not be empty: leave it out
make(name="x" * 201)                            | InvalidNameError | at most 200 characters, not 201
make(name="a/b")                                | InvalidNameError | a slash or a NUL: 'a/b'
make(name="a\\0b")                              | InvalidNameError | a slash or a NUL
make(name=b"a")                                 | TypeError     | must be a str, not bytes
make(name=1)                                    | TypeError     | must be a str, not int
make(namespace="a")                             | InvalidNameError | give both
make(name="a", namespace="")                    | InvalidNameError | namespace must not be empty
make(name="a", namespace="../x")                | InvalidNameError | namespace must not contain a slash
make(name="a", namespace=1)                     | TypeError     | namespace must be a str
make().unlink()                                 | ValueError    | has no name
twice(make(name=NAME).unlink)                   | ValueError    | has no name
one_name(mp.Lock, mp.Event)                     | KindError     | choose another name
one_name(mp.Semaphore, mp.Barrier, 1)           | KindError     | choose another name
one_value(mp.Semaphore)                         | ConflictError | value=1, not 2: ask for the same, choose
one_value(mp.BoundedSemaphore)                  | ConflictError | value=1, not 2: ask for the same, choose
one_value(mp.Barrier)                           | ConflictError | parties=1, not 2: ask for the same
one_value(mp.Latch)                             | ConflictError | count=1, not 2: ask for the same, choose
"""


# --- what the calls are made of --------------------------------------------------------------------


def held(lock):
    lock.acquire()
    return lock


def held_here(lock):
    """Taken by another thread: so that an RLock waits as well."""
    on_a_thread(lock.acquire)
    return lock


def reading(rwlock):
    rwlock.acquire_read()
    return rwlock


def writing(rwlock):
    rwlock.acquire_write()
    return rwlock


def with_(primitive, function):
    """Keeps it: multiprocessing forgets to tell a forked child of what its parent keeps no handle of."""
    return function(primitive)


def within(hold):
    with hold:
        pass


def twice(function):
    function()
    function()


def on_a_thread(function):
    """Call it on another thread; raise here what it raised there."""
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def in_a_fork(mp, function):
    """Call it in a forked child, which has what its parent holds; raise here what it raised there."""
    here, there = mp.Pipe()

    def run():
        try:
            there.send(function())
        except BaseException as error:
            there.send(error)

    mp.Process(target=run).start()
    assert here.poll(SOON)
    result = here.recv()
    if isinstance(result, BaseException):
        raise result


def spawn_with(mp, *args):
    child = mp.get_context("spawn").Process(target=print, args=args)
    child.start()
    child.join()


def put_after_close(mp):
    queue = mp.Queue()
    queue.close()
    queue.put(1)


def foreign(mp):
    return (latchwork if mp is THEIRS else multiprocessing).Lock()


def one_name(make, make_other, *args):
    name = f"misuse {uuid.uuid4()}"
    first = make(name=name)
    try:
        make_other(*args, name=name)
    finally:
        first.unlink()


def one_value(make):
    name = f"misuse {uuid.uuid4()}"
    first = make(1, name=name)
    try:
        make(2, name=name)
    finally:
        first.unlink()


NOTHING, ANYTHING = "nothing", "anything"
NAN = float("nan")
THEIRS, OUR = multiprocessing.get_context("fork"), latchwork.get_context("fork")
OUTCOMES = {
    "nothing": NOTHING,
    "anything": ANYTHING,
    "CANT_PICKLE": (AttributeError, pickle.PicklingError),
    "BrokenBarrierError": threading.BrokenBarrierError,
    "InvalidNameError": latchwork.InvalidNameError,
    "ConflictError": latchwork.ConflictError,
    "KindError": latchwork.KindError,
}
LOCKS = (
    "mp.Lock()",
    "mp.RLock()",
    "mp.Semaphore()",
    "mp.BoundedSemaphore()",
    "mp.Condition()",
    "mp.Condition(mp.Lock())",
)
SEMAPHORES = ("mp.Semaphore", "mp.BoundedSemaphore")
KINDS = {
    **dict.fromkeys(("Lock", "RLock", "Event", "Condition", "RWLock"), ""),
    **dict.fromkeys(("Semaphore", "BoundedSemaphore", "Barrier", "Latch"), "1, "),
}


class Row(NamedTuple):
    """A wrong call, what multiprocessing does with it, what ours does, and what that says."""

    call: str
    theirs: object
    ours: object
    says: str
    why: str = ""


def calls(call):
    """A call for each kind that it stands for."""
    if "each" in call:
        return [call.replace("each", lock) for lock in LOCKS]
    if "Sem(" in call:
        return [call.replace("Sem(", f"{kind}(") for kind in SEMAPHORES]
    if call.startswith(("make(", "twice(make(")):
        return [
            call.replace("make(", f"mp.{kind}({args}").replace(", )", ")")
            for kind, args in KINDS.items()
        ]
    return [call]


def rows(table, columns):
    """The rows of a table, a call for each kind that it stands for."""
    for line in table.splitlines():
        if not line or line.startswith("#"):
            continue
        call, *words = (word.strip() for word in re.split(r"\s\|(?=\s|$)", line))
        found = [eval(word, None, OUTCOMES) for word in words[:columns]]
        says, *why = words[columns:]
        for one in calls(call):
            yield Row(one, found[0], found[-1], says, *why)


TABLES = {
    "same": list(rows(SAME, 1)),
    "differs": list(rows(DIFFERS, 2)),
    "ours": list(rows(OURS, 1)),
}


# --- the test ---------------------------------------------------------------------------------------


def attempt(conn, mp, call):
    try:
        eval(call, {**globals(), "mp": mp, "NAME": f"misuse {uuid.uuid4()}"})
    except BaseException as error:
        conn.send((type(error), str(error)))
    else:
        conn.send((NOTHING, ""))


def outcome(mp, call):
    """What came of it in a child process: the type of an exception or a word, and its message."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=attempt, args=(there, mp, call))
    child.start()
    there.close()
    try:
        return here.recv() if here.poll(3 * SOON) else ("hangs", "")
    except EOFError:
        return "died", ""
    finally:
        child.kill()
        child.join()
        here.close()


def is_a(found, expected):
    if isinstance(expected, tuple):
        return any(is_a(found, one) for one in expected)
    if isinstance(expected, type):
        return isinstance(found, type) and issubclass(found, expected)
    return found == expected


def check_ours(row):
    ours, said = outcome(OUR, row.call)
    assert is_a(ours, row.ours), f"{ours}: {said}"
    assert re.search(row.says, said), said
    return ours


def by_call(table):
    return pytest.mark.parametrize("row", TABLES[table], ids=lambda row: row.call)


@by_call("same")
def test_a_wrong_call_gets_multiprocessings_error_or_a_better_named_one(row):
    theirs, said = outcome(THEIRS, row.call)
    assert is_a(theirs, row.theirs), f"multiprocessing: {theirs}: {said}"
    assert is_a(check_ours(row), theirs)


@by_call("differs")
def test_where_multiprocessing_is_silly_ours_does_what_the_table_says(row):
    assert row.why
    if row.theirs is not ANYTHING:
        theirs, said = outcome(THEIRS, row.call)
        assert is_a(theirs, row.theirs), f"multiprocessing: {theirs}: {said}"
    check_ours(row)


@by_call("ours")
def test_what_multiprocessing_has_not_says_what_is_wrong(row):
    check_ours(row)
