"""Tasks that wait are seen among the waiters, and as what they hold."""

import asyncio
import os
import threading
import time

import pytest
from looking_on import same_for_all, waiting
from party import Party

import latchwork
from latchwork import _core

pytestmark = pytest.mark.usefixtures("nobody_waiting")


@pytest.fixture
def holder():
    holder = Party()
    yield holder
    holder.process.kill()
    holder.process.join()


async def seen(primitive, count):
    """Once so many wait."""
    end = time.monotonic() + 30
    while len(primitive.statistics().waiters) != count:
        assert time.monotonic() < end
        await asyncio.sleep(0.001)
    return primitive.statistics()


# Who holds it, how a task waits for it, what that wants.
CALLS = {
    "Lock": ((), "acquire", "acquire_async", "acquire"),
    "RLock": ((), "acquire", "acquire_async", "acquire"),
    "Semaphore": ((1,), "acquire", "acquire_async", "acquire"),
    "BoundedSemaphore": ((1,), "acquire", "acquire_async", "acquire"),
    "Event": ((), "clear", "wait_async", "wait"),
    "Latch": ((1,), "__repr__", "wait_async", "wait"),
    "Barrier": ((9,), "__repr__", "wait_async", "wait"),
    "RWLock/read": ((), "acquire_write", "acquire_read_async", "read"),
    "RWLock/write": ((), "acquire_read", "acquire_write_async", "write"),
}


@pytest.mark.parametrize("case", CALLS)
def test_tasks_that_wait_are_told_as_such_until_they_are_cancelled(case, holder, outsider):
    made, hold, wait, wants = CALLS[case]
    primitive = getattr(latchwork, case.partition("/")[0])(*made)
    holder.does(primitive, hold)

    async def main():
        tasks = [asyncio.create_task(getattr(primitive, wait)()) for _ in range(3)]
        await seen(primitive, 3)
        told = await asyncio.to_thread(same_for_all, primitive, outsider, holder)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert waiting() == []
        return told

    told = asyncio.run(main())
    for who in told.waiters:
        assert (who.pid, who.thread) == (os.getpid(), threading.get_native_id())
        assert (who.is_task, who.wants, who.until) == (True, wants, None)
    if case == "RLock":
        assert len({who.task for who in told.waiters}) == 3
    assert told.state != "free" or not told.owners


def test_a_timeout_of_a_task_is_told_and_leaves_nobody(outsider):
    event = latchwork.Event()

    async def main():
        task = asyncio.create_task(event.wait_async(60))
        (who,) = (await seen(event, 1)).waiters
        assert who.until - who.since == pytest.approx(60, abs=1)
        event.set()
        assert await task
        event.clear()
        assert not await event.wait_async(0.01)
        assert waiting() == []

    asyncio.run(main())


def test_a_lock_that_a_task_has_belongs_to_its_process(outsider):
    """Any task or thread of it may release it."""
    lock = latchwork.Lock()

    async def main():
        async with lock:
            return await asyncio.to_thread(same_for_all, lock, outsider)

    owner = asyncio.run(main()).owner
    assert (owner.pid, owner.thread, owner.task, owner.exclusive) == (
        os.getpid(),
        None,
        None,
        False,
    )


def test_a_rlock_that_a_task_has_belongs_to_that_task(outsider):
    rlock = latchwork.RLock()

    async def main():
        async with rlock, rlock:
            number = _core.number_of_task()
            told = await asyncio.to_thread(same_for_all, rlock, outsider)
        return number & 0x7FFFFFFF, told.owner

    number, owner = asyncio.run(main())
    assert (owner.pid, owner.thread, owner.task) == (os.getpid(), None, number)
    assert (owner.count, owner.exclusive) == (2, True)


def test_a_task_that_waits_for_several_is_seen_at_each(outsider):
    event, latch = latchwork.Event(), latchwork.Latch(1)

    async def main():
        task = asyncio.create_task(latchwork.wait_async([event, latch], 60))
        for primitive in (event, latch):
            (who,) = (await seen(primitive, 1)).waiters
            assert (who.is_task, who.wants) == (True, "wait")
            assert who.until > time.time()
        latch.count_down()
        assert await task == [latch]
        assert waiting() == []
        task = asyncio.create_task(latchwork.wait_async([event]))
        await seen(event, 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert waiting() == []
        assert await latchwork.wait_async([event], 0.01) == []
        assert waiting() == []

    asyncio.run(main())


def test_a_loop_that_ends_leaves_nobody_waiting():
    event = latchwork.Event()

    async def main():
        loop = asyncio.get_running_loop()
        loop.left = asyncio.create_task(event.wait_async())
        await seen(event, 1)

    asyncio.run(main())
    assert waiting() == []


def test_a_forked_child_is_not_seen_to_wait_as_its_parents_tasks(outsider):
    event = latchwork.Event()

    async def main():
        task = asyncio.create_task(event.wait_async())
        await seen(event, 1)
        party = Party()
        assert len((await asyncio.to_thread(same_for_all, event, outsider, party)).waiters) == 1
        party.process.kill()
        party.process.join()
        assert len(event.statistics().waiters) == 1
        event.set()
        assert await task

    asyncio.run(main())


def test_a_condition_that_a_task_waits_at(outsider):
    condition = latchwork.Condition()

    async def main():
        async def wait():
            async with condition:
                return await condition.wait_async()

        task = asyncio.create_task(wait())
        told = await seen(condition, 1)
        assert (told.state, told.waiters[0].is_task, told.waiters[0].wants) == (
            "waiting",
            True,
            "wait",
        )
        async with condition:
            condition.notify()
        assert await task
        assert condition.statistics().state == "idle"

    asyncio.run(main())
