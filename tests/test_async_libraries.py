"""The same under trio, anyio and uvloop: their own scopes, groups and cancellations."""

import asyncio
import gc
import os
import socket
import threading
import time

import pytest
from actors import SOON
from await_scenes import SCENES, Using
from libraries import LIBRARIES
from party import FORK, Party
from stepping import digested, watchers
from test_async_cancel import cancelled_when_told, granted_after, granted_before, phases, play

import latchwork

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_net")]

LOCKS = [latchwork.Lock, latchwork.RLock, latchwork.Semaphore, latchwork.BoundedSemaphore]


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.name)
def library(request):
    return request.param()


def held_elsewhere(primitive, take="acquire"):
    party = Party()
    assert party.does(primitive, take).result is True
    return party


def is_free(primitive):
    party = Party()
    assert party.does(primitive, "acquire", True, 1.0).result is True
    assert party.does(primitive, "release").result is None


async def until(library, state, seconds=SOON):
    end = time.monotonic() + seconds
    while not state():
        assert time.monotonic() < end, "it hangs"
        await library.sleep(0.001)


async def says(library, party):
    await until(library, party.conn.poll)
    return party.says()


def take_turns(primitive, count):
    """What another process does meanwhile."""

    def act():
        for _ in range(count):
            assert primitive.acquire(timeout=SOON)
            time.sleep(0)
            primitive.release()
        return "done"

    return act


@pytest.mark.parametrize("make", LOCKS)
def test_tasks_and_a_process_take_turns(library, make):
    primitive = make()
    party = Party(FORK, take_turns(primitive, 100))
    inside = 0

    async def worker():
        nonlocal inside
        for _ in range(50):
            async with primitive:
                inside += 1
                assert inside == 1
                await library.sleep(0)
                inside -= 1

    async def main(library):
        async with library.tasks() as tasks:
            for _ in range(5):
                tasks.start_soon(worker)
        assert await says(library, party) == "done"

    library.run(main)
    is_free(primitive)


@pytest.mark.parametrize("make", LOCKS)
def test_a_scope_that_is_over_leaves_nothing(library, make):
    primitive = make()
    holder, waiter = held_elsewhere(primitive), Party()

    async def main(library):
        with library.move_on_after(0.02) as scope:
            await primitive.acquire_async()
        assert scope.cancelled_caught
        with pytest.raises(library.too_slow), library.fail_after(0.02):
            await primitive.acquire_async()
        with library.move_on_after(SOON) as scope:
            assert await primitive.acquire_async(0.02) is False
        assert not scope.cancelled_caught
        waiter.begins(primitive, "acquire")
        holder.does(primitive, "release")
        assert (await says(library, waiter)).result is True
        waiter.does(primitive, "release")

    library.run(main)
    is_free(primitive)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("make", LOCKS)
def test_a_cancellation_that_meets_the_grant_passes_it_on(library, make, when):
    """The loop does not run in between."""
    primitive = make()
    holder, waiter = held_elsewhere(primitive), Party()
    ended = []

    async def victim():
        try:
            await primitive.acquire_async()
            ended.append("acquired")
            primitive.release()
        except library.cancelled:
            ended.append("cancelled")
            raise

    async def main(library):
        async with library.tasks() as tasks:
            tasks.start_soon(victim)
            for _ in range(5):
                await library.sleep(0)
            waiter.begins(primitive, "acquire")
            if when == "before":
                tasks.cancel_scope.cancel()
            holder.does(primitive, "release")
            digested()
            if when == "after":
                tasks.cancel_scope.cancel()
        assert (await says(library, waiter)).result is True
        waiter.does(primitive, "release")

    library.run(main)
    assert ended == ["cancelled"]
    is_free(primitive)


@pytest.mark.parametrize("make", [latchwork.Lock, latchwork.RLock])
def test_a_condition_is_notified_here_and_elsewhere(library, make):
    condition = latchwork.Condition(make())
    party = Party().begins(Using(condition), "wait")
    notified = []

    async def wait():
        async with condition:
            assert await condition.wait_async()
            notified.append(condition._is_owned())

    async def main(library):
        async with library.tasks() as tasks:
            tasks.start_soon(wait)
            await until(library, lambda: condition._waiting() == 2)
            async with condition:
                assert await condition.wait_async(0.02) is False
                condition.notify_all()
        assert (await says(library, party)).result is True
        Party().asked(Using(condition), "notify_all")

    library.run(main)
    assert notified == [True]
    assert condition._waiting() == 0


@pytest.mark.parametrize("make", [latchwork.Lock, latchwork.RLock])
def test_a_cancelled_waiter_comes_back_with_the_lock_and_swallows_no_notification(library, make):
    """Under trio it may return as if not cancelled: the next checkpoint is where it is told."""
    condition = latchwork.Condition(make())
    other = Party()
    owned, notified = [], []

    async def wait():
        async with condition:
            try:
                notified.append(await condition.wait_async())
            finally:
                owned.append(condition._is_owned())

    async def main(library):
        party = Party()
        async with library.tasks() as tasks:
            tasks.start_soon(wait)
            await until(library, lambda: condition._waiting() == 1)
            party.begins(Using(condition), "wait")
            other.does(condition, "acquire")
            other.does(condition, "notify")
            for _ in range(3):
                await library.sleep(0.002)
            tasks.cancel_scope.cancel()
            digested()
            other.does(condition, "release")
        if notified == [True]:
            assert library.name.endswith("trio")
            assert condition._waiting() == 1
            Party().asked(Using(condition), "notify_all")
        assert (await says(library, party)).result is True

    library.run(main)
    assert owned == [True]
    assert condition._waiting() == 0


def test_wait_for_with_a_limit(library):
    condition = latchwork.Condition()

    async def main(library):
        async with condition:
            assert await condition.wait_for_async(lambda: 7) == 7
            assert await condition.wait_for_async(lambda: 0, 0.02) == 0
            with library.move_on_after(0.02) as scope:
                await condition.wait_for_async(lambda: 0)
            assert scope.cancelled_caught
            assert condition._is_owned()

    library.run(main)


def test_several_at_once_with_files(library):
    event, lock = latchwork.Event(), latchwork.Lock()
    held_elsewhere(lock)
    left, right = socket.socketpair()
    items = [lock, left, event]

    async def main(library):
        assert await latchwork.wait_async(items, 0) == []
        assert await latchwork.wait_async(items, 0.02) == []
        with library.move_on_after(0.02) as scope:
            await latchwork.wait_async(items)
        assert scope.cancelled_caught
        for act, ready in ((lambda: right.send(b"1"), [left]), (event.set, [left, event])):
            found = []

            async def wait(found=found):
                found.append(await latchwork.wait_async(items))

            async with library.tasks() as tasks:
                if left not in ready or event not in ready:
                    tasks.start_soon(wait)
                    await library.sleep(0.005)
                    assert not found
                    act()
                else:
                    act()
                    tasks.start_soon(wait)
            assert found == [ready]

    with left, right:
        library.run(main)


def test_events_latches_barriers_and_readers(library):
    event, latch, rw = latchwork.Event(), latchwork.Latch(2), latchwork.RWLock()
    barrier = latchwork.Barrier(3)
    party = Party().begins(barrier, "wait")
    done = []

    async def waits(coroutine):
        done.append(await coroutine)

    async def reads():
        async with rw.read():
            done.append(rw.readers)

    async def main(library):
        async with rw.write(timeout=1):
            async with library.tasks() as tasks:
                tasks.start_soon(waits, event.wait_async())
                tasks.start_soon(waits, latch.wait_async())
                tasks.start_soon(waits, barrier.wait_async())
                await library.sleep(0.005)
                assert not done
                latch.count_down(2)
                event.set()
                tasks.start_soon(waits, barrier.wait_async())
            with pytest.raises(TimeoutError):
                await rw.read(timeout=0.01).__aenter__()
        async with library.tasks() as tasks:
            tasks.start_soon(reads)
        assert (await says(library, party)).result in range(3)

    library.run(main)
    assert len(done) == 5


def test_an_rlock_is_its_tasks(library):
    lock = latchwork.RLock()

    async def other():
        assert not lock._is_mine()
        assert await lock.acquire_async(0.01) is False
        with pytest.raises(latchwork.NotOwnedError):
            lock.release()

    async def main(library):
        async with lock, lock:
            assert lock._count() == 2
            async with library.tasks() as tasks:
                tasks.start_soon(other)
        assert not lock.locked()

    library.run(main)


def test_an_owners_death_is_told(library):
    lock = latchwork.Lock()
    holder = held_elsewhere(lock)

    async def main(library):
        async with library.tasks() as tasks:

            async def waits():
                async with lock:
                    assert lock.abandoned

            tasks.start_soon(waits)
            await library.sleep(0.005)
            holder.kill()

    library.run(main)
    is_free(lock)


def test_a_runs_end_leaves_neither_thread_nor_file(library):
    event = latchwork.Event()

    async def main(library):
        assert await event.wait_async(0.005) is False
        async with library.tasks() as tasks:
            tasks.start_soon(event.wait_async)
            await library.sleep(0.005)
            tasks.cancel_scope.cancel()

    library.run(main)  # whatever is made once
    gc.collect()  # what others have left
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        library.run(main)
        assert not watchers()
    assert len(os.listdir("/proc/self/fd")) == files


def test_runs_in_several_threads(library):
    lock, value, failed = latchwork.Lock(), [0], []

    async def worker():
        for _ in range(50):
            async with lock:
                read = value[0]
                await library.sleep(0)
                value[0] = read + 1

    async def main(library):
        async with library.tasks() as tasks:
            for _ in range(3):
                tasks.start_soon(worker)

    def run():
        try:
            library.run(main)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert value == [450]


@pytest.mark.parametrize("timing", [granted_before, cancelled_when_told, granted_after])
@pytest.mark.parametrize(("scene", "phase"), phases(SCENES))
def test_a_cancelled_one_holds_nothing_under_uvloop(scene, phase, timing):
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
    made = scene()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(play(made, phase, timing, ("process", "task")), 3 * SOON))
