"""The laws of what is awaited, beyond those that it has in common with what blocks.

These run in an event loop of this process; some need the other process as well, which blocks.
"""

import asyncio
import contextlib
import functools
import os
import threading
from pathlib import Path

import pytest
from actors import SOON
from doing import count_under, number_at, put, read_number, shared, write_a_lot
from engines import ENGINES, Shape
from faces import LEFT_OUT
from remote import until

import latchwork

pytestmark = pytest.mark.usefixtures("no_net")
made = pytest.mark.made
Broken = threading.BrokenBarrierError


def in_a_loop(law):
    """Run it as a task of an event loop; a failure rather than a hang."""

    async def bounded(*args, **kwargs):
        async with asyncio.timeout(2 * SOON):
            await law(*args, **kwargs)

    return functools.wraps(law)(lambda *args, **kwargs: asyncio.run(bounded(*args, **kwargs)))


def at_once(coroutine):
    """What comes of it, if it is not suspended even once."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it was suspended")


async def waiting(coroutine):
    """A task that has begun, and waits."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


class Mutex:
    """What one task at a time has, of whatever kind."""

    def __init__(self, primitive):
        self.primitive = primitive
        self.suffix = "_write" if primitive.kind == "RWLock" else ""
        self.acquire = getattr(primitive, f"acquire{self.suffix}_async")
        self.release = getattr(primitive, f"release{self.suffix}")
        self.block = getattr(primitive, f"acquire{self.suffix}")

    def held(self):
        return self.primitive.write() if self.suffix else self.primitive

    async def turn(self, number, had):
        async with self.held():
            had.append(number)


MUTEXES = {
    "Lock": Shape("Lock"),
    "RLock": Shape("RLock"),
    "Semaphore": Shape("Semaphore", (1,)),
    "owned": Shape("Semaphore", (1,), (("owned", True),)),
    "BoundedSemaphore": Shape("BoundedSemaphore", (1,)),
    "bounded count": Shape("BoundedSemaphore", (1,), (("owned", False),)),
    "RWLock": Shape("RWLock"),
}
any_mutex = pytest.mark.parametrize("mutex", MUTEXES.values(), ids=MUTEXES, indirect=True)
any_lock = pytest.mark.parametrize("lock", ["its own", "Lock", "RLock"])
two_ways = pytest.mark.parametrize(
    "way",
    [(engine, way, "sync") for engine in ENGINES for way in ("fork", "spawn")],
    ids=lambda param: f"{param[0].name}-{param[1]}",
    indirect=True,
)
of_any = pytest.mark.parametrize(
    "what",
    [
        pytest.param(name, marks=made(shape.kind, *shape.args, **dict(shape.kwargs)))
        for name, shape in MUTEXES.items()
    ],
)


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


@pytest.fixture
def mutex(request, engine):
    shape = request.param
    return Mutex(engine.make(shape.kind, *shape.args, **dict(shape.kwargs)))


@pytest.fixture
def condition(request, engine, lock):
    return engine.make("Condition", *(() if lock == "its own" else (lock,)))


# --- order ------------------------------------------------------------------------------------------


@any_mutex
@in_a_loop
async def test_tasks_have_it_in_the_order_in_which_they_came(mutex):
    had = []
    await mutex.acquire()
    tasks = [await waiting(mutex.turn(number, had)) for number in range(20)]
    mutex.release()
    await asyncio.gather(*tasks)
    assert had == list(range(20))


@two_ways
@of_any
@in_a_loop
async def test_they_have_it_in_that_order_from_another_process_too(pair, what):
    mutex, had = Mutex(pair.here.primitive), []
    pair.there(f"acquire{mutex.suffix}")
    tasks = [await waiting(mutex.turn(number, had)) for number in range(20)]
    pair.there(f"release{mutex.suffix}")
    await asyncio.gather(*tasks)
    assert had == list(range(20))


@any_mutex
@in_a_loop
async def test_those_that_give_up_leave_the_others_in_their_order(mutex):
    had = []
    await mutex.acquire()
    tasks = [await waiting(mutex.turn(number, had)) for number in range(3)]
    hasty = await waiting(mutex.acquire(0.01))
    tasks += [await waiting(mutex.turn(number, had)) for number in range(3, 6)]
    assert await hasty is False
    for place in (0, 2, 5):  # the first, one in the middle, the last
        tasks[place].cancel()
    await asyncio.wait([tasks[place] for place in (0, 2, 5)])
    assert had == []
    mutex.release()
    await asyncio.gather(*(tasks[place] for place in (1, 3, 4)))
    assert had == [1, 3, 4]


@any_mutex
@in_a_loop
async def test_a_newcomer_does_not_get_ahead_of_a_task_that_waits(mutex):
    had = []
    await mutex.acquire()
    first = await waiting(mutex.turn("first", had))
    mutex.release()
    assert await mutex.acquire(0) is False
    await asyncio.gather(mutex.turn("second", had), first)
    assert had == ["first", "second"]


@in_a_loop
async def test_tasks_read_together_and_a_writer_among_them_has_its_turn():
    rwlock, had = latchwork.RWLock(), []

    async def read(number):
        async with rwlock.read():
            had.append(number)
            while len(had) < 3:  # all of them are in
                await asyncio.sleep(0)

    await rwlock.acquire_write_async()
    tasks = [await waiting(read(number)) for number in range(3)]
    tasks.append(await waiting(Mutex(rwlock).turn("write", had)))
    late = await waiting(rwlock.acquire_read_async())
    rwlock.release_write()
    await asyncio.gather(*tasks)
    assert await late is True
    assert had == [0, 1, 2, "write"]


@in_a_loop
async def test_readers_behind_a_writer_that_gives_up_go_in():
    rwlock = latchwork.RWLock()
    rwlock.acquire_read()
    writer = await waiting(rwlock.acquire_write_async())
    readers = [await waiting(rwlock.acquire_read_async()) for _ in range(3)]
    writer.cancel()
    assert await asyncio.gather(*readers) == [True] * 3
    assert rwlock.readers == 4


@in_a_loop
async def test_a_writer_behind_a_reader_that_gives_up_is_next():
    rwlock = latchwork.RWLock()
    rwlock.acquire_write()
    reader = await waiting(rwlock.acquire_read_async())
    writer = await waiting(rwlock.acquire_write_async())
    reader.cancel()
    await asyncio.wait([reader])
    rwlock.release_write()
    assert await writer is True


@two_ways
@made("RWLock")
@in_a_loop
async def test_at_the_end_of_a_write_all_tasks_that_read_go_in_before_the_next_write(pair):
    rwlock, had = pair.here.primitive, []

    async def read(number):
        async with rwlock.read():
            had.append(number)
            while len(had) < 3:  # all of them are in
                await asyncio.sleep(0)

    pair.there("acquire_write")
    tasks = [await waiting(read(number)) for number in range(3)]
    next_write = pair.there.begin("acquire_write").asleep()
    pair.there("release_write")
    await asyncio.gather(*tasks)
    assert await asyncio.to_thread(next_write.result) is True


# --- exclusion --------------------------------------------------------------------------------------


async def count_slowly(mutex, path, count):
    """Add one, as often, with other tasks in between."""
    with shared(path) as memory:
        for _ in range(count):
            async with mutex.held():
                number = number_at(memory)
                await asyncio.sleep(0)
                put(memory, number + 1)


@any_mutex
@in_a_loop
async def test_tasks_exclude_each_other(mutex, memory):
    await asyncio.gather(*(count_slowly(mutex, memory, 50) for _ in range(4)))
    assert read_number(memory) == 200


@any_mutex
def test_tasks_of_two_loops_exclude_each_other(mutex, memory):
    async def both():
        await asyncio.gather(*(count_slowly(mutex, memory, 50) for _ in range(2)))

    threads = [threading.Thread(target=asyncio.run, args=(both(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SOON)
    assert read_number(memory) == 200


@two_ways
@of_any
@in_a_loop
async def test_tasks_and_threads_of_another_process_exclude_each_other(pair, what, memory):
    mutex = Mutex(pair.here.primitive)
    count = write_a_lot if mutex.suffix else count_under
    there = [pair.there.begin(count, memory, 100) for _ in range(2)]
    await asyncio.gather(*(count_slowly(mutex, memory, 50) for _ in range(4)))
    for call in there:
        call.result()
    assert read_number(memory) == 400


@any_mutex
@in_a_loop
async def test_a_task_and_its_thread_exclude_each_other(mutex):
    await mutex.acquire()
    assert mutex.block(False) is False
    mutex.release()
    mutex.block()
    assert await mutex.acquire(0) is False
    task = await waiting(mutex.acquire())
    mutex.release()
    assert await task is True


# --- whose an RLock is ------------------------------------------------------------------------------


async def in_another_task(function):
    """Call it there; what it returned."""

    async def call():
        return function()

    return await asyncio.create_task(call())


def levels(rlock):
    return rlock._is_mine(), rlock._count()


@in_a_loop
async def test_an_rlock_belongs_to_the_task():
    rlock = latchwork.RLock()
    for count in range(1, 4):
        assert await rlock.acquire_async() is True
        assert levels(rlock) == (True, count)
    assert await in_another_task(lambda: levels(rlock)) == (False, 0)
    assert await asyncio.to_thread(levels, rlock) == (False, 0)
    assert await asyncio.create_task(rlock.acquire_async(0)) is False
    assert await asyncio.to_thread(rlock.acquire, False) is False
    for _ in range(3):
        assert rlock.locked()
        rlock.release()
    assert not rlock.locked()


@in_a_loop
async def test_a_task_takes_its_rlock_again_while_others_wait_for_it():
    rlock, had = latchwork.RLock(), []
    async with rlock:
        task = await waiting(Mutex(rlock).turn("other", had))
        async with rlock:
            had.append("again")
        assert await rlock.acquire_async(0) is True
        rlock.release()
        await asyncio.sleep(0)
        assert had == ["again"]
    await task
    assert had == ["again", "other"]


@in_a_loop
async def test_a_task_and_the_thread_it_runs_in_are_different_owners():
    rlock = latchwork.RLock()
    rlock.acquire()
    assert await rlock.acquire_async(0) is False
    rlock.release()
    await rlock.acquire_async()
    assert rlock.acquire(False) is False
    rlock.release()
    assert not rlock.locked()


@in_a_loop
async def test_nobody_but_its_task_releases_it():
    rlock = latchwork.RLock()
    await rlock.acquire_async()
    with pytest.raises(latchwork.NotOwnedError):
        await in_another_task(rlock.release)
    with pytest.raises(latchwork.NotOwnedError):
        await asyncio.to_thread(rlock.release)
    assert levels(rlock) == (True, 1)
    rlock.release()
    with pytest.raises(latchwork.NotOwnedError):
        rlock.release()


@in_a_loop
async def test_what_a_thread_has_is_not_for_its_tasks_to_pass_on():
    rlock = latchwork.RLock()
    rlock.acquire()
    task = await waiting(rlock.acquire_async())
    assert levels(rlock) == (True, 1)
    rlock.release()
    assert await task is True
    assert levels(rlock) == (False, 0)
    with pytest.raises(latchwork.NotOwnedError):
        rlock.release()
    assert rlock.locked()


@in_a_loop
async def test_the_end_of_a_task_frees_nothing_and_the_next_one_is_another():
    rlock = latchwork.RLock()
    await asyncio.create_task(rlock.acquire_async())
    for _ in range(10):
        assert await asyncio.create_task(rlock.acquire_async(0)) is False
    with pytest.raises(latchwork.NotOwnedError):
        rlock.release()
    assert rlock.locked()


# --- what need not wait -----------------------------------------------------------------------------


@any_mutex
@pytest.mark.parametrize("time", [(), (None,), (30,), (0,), (-1,)])
@in_a_loop
async def test_a_free_one_is_had_without_being_suspended(mutex, time):
    assert at_once(mutex.acquire(*time)) is True
    assert mutex.block(False) is False
    mutex.release()


@any_mutex
@in_a_loop
async def test_async_with_a_free_one_is_not_suspended_and_gives_none(mutex):
    async def enter():
        async with mutex.held() as entered:
            return entered, mutex.block(False)

    assert at_once(enter()) == (None, False)
    assert mutex.block(False) is True
    mutex.release()


@any_mutex
@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5])
@in_a_loop
async def test_without_time_it_is_tried_once_and_never_suspended(mutex, timeout):
    mutex.block()
    assert at_once(mutex.acquire(timeout)) is False
    mutex.release()
    assert at_once(mutex.acquire(timeout)) is True
    mutex.release()


@pytest.mark.parametrize("timeout", [0, -1])
@in_a_loop
async def test_without_time_all_others_are_only_looked_at_as_well(timeout):
    event, latch, rwlock = latchwork.Event(), latchwork.Latch(1), latchwork.RWLock()
    assert at_once(event.wait_async(timeout)) is False
    assert at_once(latch.wait_async(timeout)) is False
    assert at_once(latchwork.wait_async([event, latch], timeout)) == []
    rwlock.acquire_write()
    assert at_once(rwlock.acquire_read_async(timeout)) is False
    barrier = latchwork.Barrier(2)
    with pytest.raises(Broken):
        at_once(barrier.wait_async(timeout))
    assert barrier.broken


@pytest.mark.parametrize("time", [(), (None,), (30,), (0,), (-1,)])
@in_a_loop
async def test_what_is_so_already_is_not_waited_for(time):
    event, latch, rwlock = latchwork.Event(), latchwork.Latch(0), latchwork.RWLock()
    event.set()
    assert at_once(event.wait_async(*time)) is True
    assert at_once(latch.wait_async(*time)) is True
    assert at_once(latchwork.wait_async([event, latch], *time)) == [event, latch]
    assert at_once(latchwork.Barrier(1).wait_async(*time)) == 0
    assert at_once(rwlock.acquire_read_async(*time)) is True
    assert at_once(rwlock.acquire_read_async(*time)) is True
    assert rwlock.readers == 2


# --- what is not awaited ----------------------------------------------------------------------------

COROUTINES = {
    "Lock": (lambda p: p.acquire_async(), ()),
    "RLock": (lambda p: p.acquire_async(), ()),
    "Semaphore": (lambda p: p.acquire_async(), (1,)),
    "BoundedSemaphore": (lambda p: p.acquire_async(), (1,)),
    "Condition": (lambda p: p.acquire_async(), ()),
    "RWLock": (lambda p: p.acquire_write_async(), ()),
    "Barrier": (lambda p: p.wait_async(), (1,)),
}


@pytest.mark.parametrize("kind", COROUTINES)
@in_a_loop
async def test_a_coroutine_that_is_not_awaited_does_nothing(engine, kind):
    start, args = COROUTINES[kind]
    primitive = engine.make(kind, *args)
    before = repr(primitive)
    coroutine = start(primitive)
    assert repr(primitive) == before
    with pytest.warns(RuntimeWarning, match="never awaited"):
        del coroutine
    assert repr(primitive) == before


@pytest.mark.parametrize("kind", COROUTINES)
@in_a_loop
async def test_a_task_that_is_cancelled_before_it_began_does_nothing(engine, kind):
    start, args = COROUTINES[kind]
    primitive = engine.make(kind, *args)
    before = repr(primitive)
    task = asyncio.create_task(start(primitive))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert repr(primitive) == before


# --- Condition --------------------------------------------------------------------------------------


async def wait_within(condition, timeout=None):
    async with condition:
        return await condition.wait_async(timeout)


@any_lock
@in_a_loop
async def test_a_task_that_has_its_lock_notifies(condition, lock):
    tasks = [await waiting(wait_within(condition)) for _ in range(3)]
    async with condition:
        condition.notify()
    assert await tasks[0] is True
    assert [task.done() for task in tasks[1:]] == [False] * 2
    async with condition:
        condition.notify_all()
    assert await asyncio.gather(*tasks) == [True] * 3


@pytest.mark.parametrize("lock", ["its own", "RLock"])
@in_a_loop
async def test_a_task_that_has_not_is_not_helped_by_one_that_has(condition, lock):
    async with condition:
        for method in (condition.notify, condition.notify_all):
            with pytest.raises(AssertionError):
                await in_another_task(method)
        with pytest.raises(AssertionError):
            await asyncio.create_task(condition.wait_async(0))
        with pytest.raises(AssertionError):
            condition.wait(0)  # it would be the thread that waits
    with pytest.raises(AssertionError):
        condition.notify()


@any_lock
@in_a_loop
async def test_a_task_that_waits_lets_others_have_the_lock_and_comes_back_with_it(condition, lock):
    async def wait():
        async with condition:
            assert await condition.wait_async() is True
            return condition.acquire(
                False
            )  # the thread's: an RLock is the task's, a Lock no one's twice

    task = await waiting(wait())
    async with condition:
        condition.notify()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
    assert await task is False
    assert await condition.acquire_async(0) is True
    condition.release()


@pytest.mark.parametrize("lock", ["its own", "RLock"])
@in_a_loop
async def test_a_task_that_waits_gives_up_all_levels_and_gets_them_back(condition, lock):
    async def wait():
        for _ in range(3):
            await condition.acquire_async()
        await condition.wait_async()
        for _ in range(3):
            assert await asyncio.create_task(condition.acquire_async(0)) is False
            condition.release()

    task = await waiting(wait())
    async with condition:
        condition.notify()
    await task
    assert await condition.acquire_async(0) is True
    condition.release()


@any_lock
@in_a_loop
async def test_a_cancelled_wait_comes_back_with_the_lock(condition, lock):
    held = []

    async def wait():
        async with condition:
            try:
                await condition.wait_async()
            finally:
                held.append(not await asyncio.create_task(condition.acquire_async(0)))

    task = await waiting(wait())
    async with condition:
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()  # not before it is free
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert held == [True]
    assert await condition.acquire_async(0) is True
    condition.release()


@any_lock
@in_a_loop
async def test_a_wait_without_time_comes_back_at_once_and_with_the_lock(condition, lock):
    async with condition:
        for timeout in (0, -1):
            assert at_once(condition.wait_async(timeout)) is False
            assert at_once(condition.wait_for_async(lambda: False, timeout)) is False
        assert at_once(condition.wait_for_async(lambda: 7)) == 7
        condition.notify()
    assert not condition._is_owned()


# --- threads ----------------------------------------------------------------------------------------


def test_no_thread_waits_before_a_task_does_nor_after_the_last_loop_has_ended(engine):
    event = engine.make("Event")

    @in_a_loop
    async def wait():
        await engine.make("Lock").acquire_async()
        assert engine.watchers(os.getpid()) == []
        task = await waiting(event.wait_async())
        until(lambda: engine.awaits(os.getpid()))
        event.set()
        await task

    wait()
    assert engine.watchers(os.getpid()) == []


# --- what is left out -------------------------------------------------------------------------------


def test_what_is_left_out_of_the_async_faces_is_there():
    laws = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*_laws.py"))
    assert [law for law in LEFT_OUT if f"\ndef {law}(" not in laws] == []
