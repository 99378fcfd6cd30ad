"""Ten thousand coroutines: at one primitive, and at one each."""

import asyncio
import random
import time

import pytest
from actors import SOON
from party import FORK, Party
from stepping import begun, complete, digested, until, watchers

import latchwork
from latchwork import _core

MANY = 10_000
pytestmark = [pytest.mark.timeout(110), pytest.mark.usefixtures("no_net")]


def test_ten_thousand_at_one_lock_all_get_it_in_their_order():
    lock = latchwork.Lock()
    order = []

    async def use(number):
        async with lock:
            order.append(number)
            if number % 1000 == 0:
                await asyncio.sleep(0)

    async def main():
        assert lock.acquire()
        tasks = [asyncio.create_task(use(number)) for number in range(MANY)]
        await asyncio.sleep(0)
        assert _core.watcher_threads() == 1
        lock.release()
        await asyncio.gather(*tasks)

    complete(main(), 60)
    assert order == list(range(MANY))
    assert Party().does(lock, "acquire", True, 1.0).result is True


def test_ten_thousand_at_one_lock_and_one_elsewhere():
    """Who waits elsewhere does not wait for all of them."""
    lock = latchwork.Lock()
    had = 0

    async def use():
        nonlocal had
        async with lock:
            had += 1

    async def main():
        assert lock.acquire()
        tasks = [asyncio.create_task(use()) for _ in range(MANY)]
        await asyncio.sleep(0)
        party = Party().begins(lock, "acquire")
        lock.release()
        await until(party.conn.poll)
        assert had < MANY
        assert party.says().result is True
        assert party.does(lock, "release").result is None
        await asyncio.gather(*tasks)

    complete(main(), 60)
    assert had == MANY


def test_ten_thousand_events_each_wake_their_own():
    """Set by another process, in any order."""
    events = [latchwork.Event() for _ in range(MANY)]
    go = latchwork.Event()
    order = list(range(MANY))
    random.shuffle(order)

    def act():
        assert go.wait(60)
        for number in order:
            events[number].set()
        return "done"

    party = Party(FORK, act)

    async def main():
        tasks = [asyncio.create_task(event.wait_async()) for event in events]
        await asyncio.sleep(0)
        assert _core.watcher_threads() >= MANY / 127
        assert not any(task.done() for task in tasks)
        go.set()
        assert await asyncio.gather(*tasks) == [True] * MANY
        await until(party.conn.poll)
        assert party.says() == "done"

    complete(main(), 60)
    assert not watchers()


def test_ten_thousand_waits_are_cancelled():
    events = [latchwork.Event() for _ in range(MANY)]
    lock = latchwork.Lock()
    holder = Party()
    holder.does(lock, "acquire")

    async def main():
        tasks = [asyncio.create_task(event.wait_async()) for event in events]
        tasks += [asyncio.create_task(lock.acquire_async()) for _ in range(MANY)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended)
        last = await begun(lock.acquire_async())
        holder.does(lock, "release")
        assert await last
        lock.release()

    complete(main(), 60)


def test_sleeping_words_cost_next_to_nothing():
    """With the re-check on: its ticks are put together."""
    events = [latchwork.Event() for _ in range(2000)]

    async def main():
        tasks = [asyncio.create_task(event.wait_async()) for event in events]
        await asyncio.sleep(0)
        digested()
        before = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - before < 0.3
        for event in events:
            event.set()
        await asyncio.wait_for(asyncio.gather(*tasks), SOON)

    _core.recheck_first(0.02)
    complete(main())
