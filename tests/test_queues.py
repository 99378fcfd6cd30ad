"""Queues, pools, Value and Array of our contexts: on our primitives, and not to be hung by a death."""

import concurrent.futures
import os
import queue as plain
import signal
import threading

import pytest
import queueing
from actors import METHODS, SOON, asleep, heard, state_of
from remote import until

import latchwork

QUEUES = ("Queue", "JoinableQueue", "SimpleQueue")


@pytest.fixture(params=METHODS)
def ctx(request):
    return latchwork.get_context(request.param)


@pytest.fixture(params=QUEUES)
def queue(request, ctx):
    """One of each kind, that takes no thread and no descriptor with it into the next test."""
    queue = getattr(ctx, request.param)()
    yield queue
    queue.close()
    if hasattr(queue, "cancel_join_thread"):
        queue.cancel_join_thread()


@pytest.fixture
def start(ctx):
    """Start a child; none is left at the end."""
    children = []

    def start(function, *args):
        child = ctx.Process(target=function, args=args)
        child.start()
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.join()


def owned_by(lock, pid):
    return lambda: lock._owner_pid() == pid


def killed(child):
    os.kill(child.pid, signal.SIGKILL)
    child.join(SOON)


def is_dead(pid):
    try:
        return state_of(pid) == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(function, *args, **kwargs):
    """Call it on a thread: what came of it, or a failure if it hangs."""
    results = plain.SimpleQueue()
    threading.Thread(target=lambda: results.put(function(*args, **kwargs)), daemon=True).start()
    return results.get(timeout=SOON)


# --- whose locks they have ---------------------------------------------------------------------------


def test_their_locks_are_ours(ctx):
    for kind in QUEUES:
        queue = getattr(ctx, kind)()
        assert type(queue._rlock) is latchwork.Lock
        assert type(queue._wlock) is latchwork.Lock
        if kind != "SimpleQueue":
            assert type(queue._sem) is latchwork.BoundedSemaphore
            assert not queue._sem.owned, "what one process puts, another one gets"
    joinable = ctx.JoinableQueue()
    assert type(joinable._cond) is latchwork.Condition
    assert type(joinable._unfinished_tasks) is latchwork.Semaphore
    with ctx.Pool(1) as pool:
        for queue in (pool._inqueue, pool._outqueue):
            assert type(queue._rlock) is type(queue._wlock) is latchwork.Lock


def test_a_value_and_an_array_have_our_rlock_or_what_they_are_given(ctx):
    for shared in (ctx.Value("i"), ctx.Array("i", 2), ctx.Value("i", lock=True)):
        assert type(shared.get_lock()) is latchwork.RLock
        with shared, shared.get_lock():
            assert shared.get_lock().locked()
        assert not shared.get_lock().locked()
    lock = ctx.Lock()
    assert ctx.Value("i", lock=lock).get_lock() is lock
    assert not hasattr(ctx.Value("i", lock=False), "get_lock")


# --- they work -----------------------------------------------------------------------------------------


def test_each_item_is_had_once(queue, ctx, start):
    said, answers = ctx.Pipe()
    producers = [start(queueing.put_all, queue, range(n, n + 100)) for n in (0, 100)]
    for _ in range(2):
        start(queueing.get_until_none, queue, answers)
    for producer in producers:
        producer.join(SOON)  # the ends come last, or a consumer would leave something
    for _ in range(2):
        queue.put(None)
    assert sorted(heard(said) + heard(said)) == list(range(200))


def test_items_come_in_the_order_of_their_producer(queue, ctx, start):
    start(queueing.put_all, queue, [*range(200), None])
    assert [soon(queue.get) for _ in range(201)] == [*range(200), None]


def test_primitives_go_through_them(queue, start):
    event = latchwork.Event()
    queue.put(event)
    start(queueing.get_one, queue, latchwork.Pipe()[1])
    queue.put(event)
    soon(queue.get).set()
    assert event.is_set()


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue"])
def test_get_and_put_keep_their_timeouts(ctx, kind):
    queue = getattr(ctx, kind)(1)
    for arguments in ((False,), (True, 0.02), (True, 0)):
        with pytest.raises(plain.Empty):
            queue.get(*arguments)
    with pytest.raises(plain.Empty):
        queue.get_nowait()
    queue.put(1)
    for arguments in ((False,), (True, 0.02), (True, 0)):
        with pytest.raises(plain.Full):
            queue.put(2, *arguments)
    with pytest.raises(plain.Full):
        queue.put_nowait(2)
    assert soon(queue.get) == 1
    queue.put_nowait(2)
    assert soon(queue.get) == 2


def test_qsize_empty_and_full_tell_of_all_processes(ctx, start):
    queue = ctx.Queue(3)
    assert (queue.qsize(), queue.empty(), queue.full()) == (0, True, False)
    start(queueing.put_all, queue, "abc").join(SOON)
    assert (queue.qsize(), queue.empty(), queue.full()) == (3, False, True)
    said, answers = ctx.Pipe()
    start(queueing.get_one, queue, answers).join(SOON)
    assert (heard(said), heard(said)) == ("begun", "a")
    assert (queue.qsize(), queue.empty(), queue.full()) == (2, False, False)


def test_join_waits_until_all_is_done(ctx, start):
    queue = ctx.JoinableQueue()
    soon(queue.join)
    queueing.put_all(queue, range(30))
    joined = threading.Event()
    threading.Thread(target=lambda: (queue.join(), joined.set()), daemon=True).start()
    until(lambda: queue._cond._waiting() == 1)
    workers = [start(queueing.finish, queue, number) for number in (14, 15)]
    for worker in workers:
        worker.join(SOON)
    assert not joined.is_set(), "one is left"
    queueing.finish(queue, 1)
    assert joined.wait(SOON)
    with pytest.raises(ValueError, match="too many"):
        queue.task_done()


def test_pools_work(ctx):
    with ctx.Pool(2) as pool:
        assert pool.map(queueing.double, range(20)) == list(range(0, 40, 2))
        assert pool.apply(queueing.double, (4,)) == 8
        assert pool.apply_async(queueing.double, (5,)).get(SOON) == 10
        assert list(pool.imap(queueing.double, range(5))) == [0, 2, 4, 6, 8]
        assert sorted(pool.imap_unordered(queueing.double, range(5))) == [0, 2, 4, 6, 8]
        pool.close()
        soon(pool.join)


def test_value_and_array_count_right(ctx, start):
    value, array = ctx.Value("i", 0), ctx.Array("i", 2)
    children = [start(queueing.add_in_value, value, 200) for _ in range(2)]
    children += [start(queueing.add_in_array, array, 200) for _ in range(2)]
    for child in children:
        child.join(SOON)
    assert (value.value, array[:]) == (400, [400, 0])


# --- a bound is kept -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue"])
@pytest.mark.parametrize("ending", ["returns", "is killed"])
def test_a_bound_is_kept_after_a_producer_has_ended(ctx, start, kind, ending):
    queue = getattr(ctx, kind)(2)
    said, saying = ctx.Pipe()
    producer = start(queueing.put_all_and_stay, queue, "ab", saying)
    assert heard(said) == "flushed"  # what is in its buffer dies with it
    if ending == "is killed":
        killed(producer)
    else:
        said.send("go")
        producer.join(SOON)
    assert queue.full()
    with pytest.raises(plain.Full):
        queue.put("c", timeout=0.05)
    assert soon(queue.get) == "a"
    queue.put("c", block=False)
    with pytest.raises(plain.Full):
        queue.put("d", block=False)
    assert [soon(queue.get) for _ in "bc"] == ["b", "c"]
    assert queue.empty()
    assert queue.qsize() == 0


def test_one_that_waits_to_put_goes_on_when_another_process_gets(ctx, start):
    queue = ctx.Queue(1)
    queue.put("a")
    producer = start(queueing.put_all, queue, "b")
    asleep(producer.pid)
    assert soon(queue.get) == "a"
    assert soon(queue.get) == "b"


# --- deaths --------------------------------------------------------------------------------------------


def test_a_consumer_killed_in_get_holds_up_nobody(queue, ctx, start):
    said, answers = ctx.Pipe()
    victim = start(queueing.get_one, queue, answers)
    assert heard(said) == "begun"
    until(owned_by(queue._rlock, victim.pid))
    other = start(queueing.get_one, queue, answers)
    assert heard(said) == "begun"
    asleep(other.pid)
    killed(victim)
    queue.put("for the other")
    assert heard(said) == "for the other"
    queue.put("for this one")
    assert soon(queue.get) == "for this one"


def test_a_consumer_that_waits_for_its_turn_may_be_killed_as_well(queue, ctx, start):
    said, answers = ctx.Pipe()
    first = start(queueing.get_one, queue, answers)
    assert heard(said) == "begun"
    until(owned_by(queue._rlock, first.pid))
    victim = start(queueing.get_one, queue, answers)
    assert heard(said) == "begun"
    asleep(victim.pid)
    killed(victim)
    queue.put("a")
    assert heard(said) == "a"
    queue.put("b")
    assert soon(queue.get) == "b"


def test_a_producer_killed_with_the_lock_holds_up_nobody(queue, ctx, start):
    said, saying = ctx.Pipe()
    victim = start(queueing.hold_for_ever, queue._wlock, saying)
    assert heard(said) == "held"
    start(queueing.put_all, queue, ["from another"])
    killed(victim)
    assert soon(queue.get) == "from another"
    queue.put("from here")
    assert soon(queue.get) == "from here"


def test_one_killed_with_the_lock_of_a_joinable_queue_does_not_hold_up_join(ctx, start):
    queue = ctx.JoinableQueue()
    said, saying = ctx.Pipe()
    victim = start(queueing.hold_for_ever, queue._cond, saying)
    assert heard(said) == "held"
    killed(victim)
    queue.put(1)
    start(queueing.finish, queue, 1)
    soon(queue.join)


def test_an_idle_worker_of_a_pool_that_is_killed_holds_up_nobody(ctx):
    """The one that waits for work holds the lock of the queue of work; the others wait for it."""
    with ctx.Pool(3) as pool:
        assert pool.map(queueing.double, range(6), 1) == [0, 2, 4, 6, 8, 10]
        for _ in range(2):
            until(lambda: pool._inqueue._rlock._owner_pid() is not None)
            victim = pool._inqueue._rlock._owner_pid()
            os.kill(victim, signal.SIGKILL)
            # Or it may still take the first bytes of the next message with it.
            until(lambda pid=victim: is_dead(pid))
            assert pool.map_async(queueing.double, range(6), 1).get(SOON) == [0, 2, 4, 6, 8, 10]


def test_a_worker_killed_in_the_middle_of_its_work_loses_that_only(ctx):
    with ctx.Pool(2) as pool:
        lost = pool.apply_async(queueing.die)
        assert pool.map_async(queueing.double, range(20), 1).get(SOON) == list(range(0, 40, 2))
        assert not lost.ready()


def test_a_pool_ends_although_its_workers_are_busy(ctx):
    pool = ctx.Pool(2)
    for _ in range(4):
        pool.apply_async(queueing.pause)
    pool.apply_async(queueing.die)
    soon(pool.terminate)
    soon(pool.join)


def test_an_executor_is_broken_by_a_death_not_hung(ctx):
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=ctx) as executor:
        assert executor.submit(queueing.double, 4).result(SOON) == 8
        with pytest.raises(concurrent.futures.process.BrokenProcessPool):
            executor.submit(queueing.die).result(SOON)


def test_a_death_within_the_lock_of_a_value_is_told_to_the_next(ctx, start):
    value = ctx.Value("i", 0)
    said, saying = ctx.Pipe()
    victim = start(queueing.half_done, value, saying)
    assert heard(said) == "half done"
    assert not value.get_lock().acquire(block=False)
    killed(victim)
    assert value.get_lock().acquire(timeout=SOON)
    assert value.get_lock().abandoned
    assert value.value == -1
    value.get_lock().release()
    queueing.add_in_value(value, 1)
    assert not value.get_lock().locked()
