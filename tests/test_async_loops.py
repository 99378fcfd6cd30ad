"""Loops come and go, in threads and one after the other; nothing is left of them."""

import asyncio
import gc
import os
import threading
import time

import pytest
from actors import SOON
from party import FORK, Party
from stepping import begun, complete, digested, says, until, watchers

import latchwork
from latchwork import _core

pytestmark = pytest.mark.timeout(60)


def threads():
    return set(os.listdir("/proc/self/task"))


def files():
    return sorted(os.listdir("/proc/self/fd"))


def eventually(state, seconds=SOON):
    end = time.monotonic() + seconds
    while not state():
        assert time.monotonic() < end
        time.sleep(0.005)


async def contend(primitive, rounds=200):
    """Three tasks of this loop; they count on nobody else being inside."""
    inside = 0

    async def worker():
        nonlocal inside
        for _ in range(rounds):
            async with primitive:
                inside += 1
                assert inside == 1
                await asyncio.sleep(0)
                inside -= 1

    await asyncio.gather(*(worker() for _ in range(3)))


@pytest.mark.parametrize(
    "make", [latchwork.Lock, latchwork.RLock, latchwork.BoundedSemaphore, latchwork.Semaphore]
)
def test_loops_in_several_threads_exclude_each_other(make, no_net):
    """Each loop looks at its own tasks; a number that all add to tells of the others."""
    primitive = make()
    value = [0]
    failed = []

    async def worker():
        for _ in range(100):
            async with primitive:
                read = value[0]
                await asyncio.sleep(0)
                value[0] = read + 1

    async def workers():
        await asyncio.gather(*(worker() for _ in range(5)))

    def loop():
        try:
            complete(workers())
        except BaseException as error:
            failed.append(error)

    several = [threading.Thread(target=loop) for _ in range(4)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    assert not failed
    assert value == [4 * 5 * 100]


def test_one_event_wakes_the_tasks_of_all_loops(no_net):
    event = latchwork.Event()
    waiting, woken = threading.Semaphore(0), []

    async def wait():
        tasks = [await begun(event.wait_async()) for _ in range(20)]
        waiting.release()
        woken.extend(await asyncio.gather(*tasks))

    several = [threading.Thread(target=complete, args=(wait(),)) for _ in range(5)]
    for thread in several:
        thread.start()
    for _ in several:
        assert waiting.acquire(timeout=SOON)
    event.set()
    for thread in several:
        thread.join()
    assert woken == [True] * 100


def test_a_thread_and_a_loop_exclude_each_other(no_net):
    lock = latchwork.Lock()
    value = 0

    def in_thread():
        nonlocal value
        for _ in range(2000):
            with lock:
                read = value
                value = read + 1

    async def in_task():
        nonlocal value
        for _ in range(500):
            async with lock:
                read = value
                await asyncio.sleep(0)
                value = read + 1

    async def main():
        await asyncio.gather(asyncio.to_thread(in_thread), in_task(), in_task())

    complete(main())
    assert value == 3000


def test_one_loop_after_the_other_uses_the_same_objects(no_net):
    lock, event, condition = latchwork.Lock(), latchwork.Event(), latchwork.Condition()

    async def main():
        event.clear()
        waiting = await begun(event.wait_async())

        async def wait():
            async with condition:
                assert await condition.wait_async()

        notified = await begun(wait())
        await contend(lock, 20)
        async with condition:
            condition.notify()
        event.set()
        assert await waiting
        await notified

    for _ in range(20):
        complete(main())
        assert not lock.locked()


async def wait_in_vain(event):
    assert await event.wait_async(0.01) is False


def test_the_last_loops_end_leaves_neither_thread_nor_file():
    event = latchwork.Event()
    other = latchwork.Event()
    complete(other.wait_async(0.01))  # whatever is made once
    eventually(lambda: not watchers())
    before, open_files = threads(), files()
    for _ in range(5):
        complete(wait_in_vain(event))
        assert files() == open_files
        assert threads() == before


def test_a_loop_without_waits_is_left_by_its_watchers():
    """A second after the last wait; the loop runs on."""
    event = latchwork.Event()

    async def main():
        await wait_in_vain(event)
        assert _core.watcher_threads() == 1
        await until(lambda: not watchers(), 5)
        waiting = await begun(event.wait_async())  # they come again
        event.set()
        assert await waiting

    complete(main())


def test_before_the_first_wait_that_blocks_there_is_no_thread_and_no_file():
    lock = latchwork.Lock()
    eventually(lambda: not watchers())

    async def main():
        before, open_files = threads(), files()
        for _ in range(100):
            async with lock:
                pass
        assert await lock.acquire_async()
        assert files() == open_files
        assert await lock.acquire_async(0) is False
        lock.release()
        assert threads() == before

    complete(main())


def test_the_watchers_are_not_pythons_threads():
    event = latchwork.Event()

    async def main():
        before = threading.enumerate()
        waiting = await begun(event.wait_async())
        await until(watchers)
        assert threading.enumerate() == before
        event.set()
        await waiting

    complete(main())


@pytest.mark.parametrize("count", [126, 127, 128, 254, 600])
def test_more_words_than_the_kernel_takes_at_once(count, no_net):
    events = [latchwork.Event() for _ in range(count)]

    async def main():
        tasks = [await begun(event.wait_async()) for event in events]
        await until(lambda: len(watchers()) >= count / 127)
        for event in reversed(events):
            event.set()
        assert await asyncio.gather(*tasks) == [True] * count

    complete(main())


@pytest.mark.parametrize("end", ["loop first", "other loop first"])
def test_a_loops_end_leaves_other_loops_waits_unharmed(end, no_net):
    """Two loops wait for one Event and in one lock's lane."""
    event, lock = latchwork.Event(), latchwork.Lock()
    holder = Party()
    holder.does(lock, "acquire")
    one, two = asyncio.new_event_loop(), asyncio.new_event_loop()
    waits = {}
    for loop in (one, two):
        waits[loop] = [loop.create_task(event.wait_async()), loop.create_task(lock.acquire_async())]
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
    ends, stays = (one, two) if end == "loop first" else (two, one)
    for task in waits[ends]:
        task.cancel()
    ends.run_until_complete(asyncio.gather(*waits[ends], return_exceptions=True))
    ends.close()
    event.set()
    holder.does(lock, "release")
    got = stays.run_until_complete(asyncio.wait_for(asyncio.gather(*waits[stays]), SOON))
    stays.close()
    assert got == [True, True]
    lock.release()


def test_a_handle_that_is_dropped_while_it_is_waited_for(no_net):
    """The wait keeps what it waits for; another process does what it is waited for."""
    event, latch, go = latchwork.Event(), latchwork.Latch(1), latchwork.Event()

    def act():
        assert go.wait(SOON)
        event.set()
        latch.count_down()

    Party(FORK, act)

    async def main(event, latch):
        items = [event, latch]
        return [
            await begun(event.wait_async()),
            await begun(latch.wait_async()),
            await begun(latchwork.wait_async(items)),
        ]

    async def dropped():
        nonlocal event, latch
        waits = await main(event, latch)
        del event, latch, waits[2]
        gc.collect()
        go.set()
        assert await asyncio.gather(*waits) == [True, True]

    complete(dropped())


def test_a_busy_loop_does_not_keep_the_grant_from_its_process(no_net):
    """The watcher takes it while the loop has the GIL; when the loop looks, it is there."""
    lock = latchwork.Lock()
    holder, waiter = Party(), Party()
    holder.does(lock, "acquire")

    async def main():
        waiting = await begun(lock.acquire_async())
        digested()  # first come, first woken
        waiter.begins(lock, "acquire")
        holder.does(lock, "release")
        digested()
        assert lock._owner_pid() == os.getpid()
        assert await waiting
        lock.release()
        assert (await says(waiter)).result is True

    complete(main())
