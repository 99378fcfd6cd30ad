"""What ends a wait from outside: time limits, closed coroutines, closed loops, Ctrl-C."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time

import pytest
from party import Party
from stepping import Stepping, begun, complete, digested, says, until

import latchwork

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_net")]

LOCKS = [latchwork.Lock, latchwork.RLock, latchwork.Semaphore, latchwork.BoundedSemaphore]


def held_elsewhere(primitive):
    party = Party()
    assert party.does(primitive, "acquire").result is True
    return party


def is_free(primitive):
    """For another process: it has it at once, and gives it back."""
    party = Party()
    assert party.does(primitive, "acquire", True, 1.0).result is True
    assert party.does(primitive, "release").result is None


@pytest.mark.parametrize("make", LOCKS)
def test_asyncio_timeout_leaves_nothing(make):
    primitive = make()
    holder, waiter = held_elsewhere(primitive), Party()

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await primitive.acquire_async()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(primitive.acquire_async(), 0.05)
        assert await primitive.acquire_async(0.05) is False
        waiter.begins(primitive, "acquire")
        holder.does(primitive, "release")
        assert (await says(waiter)).result is True
        waiter.does(primitive, "release")

    complete(main())
    is_free(primitive)


@pytest.mark.parametrize("limit", ["asyncio.timeout", "asyncio.wait_for", "timeout="])
@pytest.mark.parametrize("make", LOCKS)
def test_a_time_limit_that_meets_the_release_either_has_it_or_leaves_it(make, limit):
    """Two hundred times at about the same moment."""
    if limit == "asyncio.wait_for" and make is latchwork.RLock and sys.version_info < (3, 12):
        pytest.skip("wait_for() runs it in a task of its own there, which is the owner")
    primitive = make()
    release_after = 0.002

    async def acquire():
        if limit == "timeout=":
            return await primitive.acquire_async(release_after)
        try:
            if limit == "asyncio.wait_for":
                return await asyncio.wait_for(primitive.acquire_async(), release_after)
            async with asyncio.timeout(release_after):
                return await primitive.acquire_async()
        except TimeoutError:
            return False

    async def main():
        outcomes = set()
        loop = asyncio.get_running_loop()
        for turn in range(200):
            assert primitive.acquire(False), "it was lost"
            loop.call_later(release_after + (turn % 21 - 10) * 0.0001, primitive.release)
            outcomes.add(got := await acquire())
            if got:
                primitive.release()
            else:
                assert await primitive.acquire_async(5.0), "it was lost"
                primitive.release()
        assert outcomes <= {True, False}

    complete(main())
    is_free(primitive)


def test_cancelled_in_the_body_of_async_with_it_is_released():
    async def main():
        for make in LOCKS:
            await body_is_cancelled(make(), lambda it: it)
        await body_is_cancelled(latchwork.Condition(), lambda it: it)
        rw = latchwork.RWLock()
        await body_is_cancelled(rw, lambda it: it.read(), "acquire_write", "release_write")
        await body_is_cancelled(rw, lambda it: it.write(), "acquire_read", "release_read")

    async def body_is_cancelled(primitive, hold, take="acquire", give="release"):
        entered = asyncio.Event()

        async def body():
            async with hold(primitive):
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await entered.wait()
        waiter.begins(primitive, take)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await says(waiter)).result is True
        assert waiter.does(primitive, give).result is None

    waiter = Party()
    complete(main())


def test_a_timeout_in_the_body_ends_it_as_any_exception():
    lock = latchwork.Lock()

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), lock:
                await asyncio.sleep(10)

    complete(main())
    is_free(lock)


@pytest.mark.parametrize("make", LOCKS)
@pytest.mark.parametrize("granted", [False, True], ids=["waiting", "granted"])
def test_a_coroutine_that_is_closed_while_it_waits_leaves_nothing(make, granted):
    primitive = make()
    holder, waiter = held_elsewhere(primitive), Party()

    async def main():
        coroutine = primitive.acquire_async()
        coroutine.send(None)
        if granted:
            waiter.begins(primitive, "acquire")
            holder.does(primitive, "release")
            digested()
        coroutine.close()
        if not granted:
            waiter.begins(primitive, "acquire")
            holder.does(primitive, "release")
        assert (await says(waiter)).result is True
        waiter.does(primitive, "release")

    complete(main())
    is_free(primitive)


def test_a_coroutine_that_was_never_awaited_has_done_nothing():
    lock = latchwork.Lock()
    coroutine = lock.acquire_async()
    assert not lock.locked()
    coroutine.close()
    is_free(lock)


@pytest.mark.parametrize("left", ["collected", "kept"])
@pytest.mark.parametrize("granted", [False, True], ids=["waiting", "granted"])
@pytest.mark.parametrize("make", LOCKS)
def test_what_waited_in_a_loop_that_was_closed_costs_nobody_anything(make, granted, left):
    """Closed and nothing else; also if its task, which will never run again, is still there."""
    primitive = make()
    holder, waiter = held_elsewhere(primitive), Party()

    loop = asyncio.new_event_loop()
    task = loop.create_task(primitive.acquire_async())
    loop.run_until_complete(asyncio.sleep(0.01))
    if granted:
        waiter.begins(primitive, "acquire")
        holder.does(primitive, "release")
        digested()
    task._log_destroy_pending = False
    loop.close()
    if left == "collected":
        del task, loop
        gc.collect()
    if not granted:
        waiter.begins(primitive, "acquire")
        holder.does(primitive, "release")
    assert waiter.says().result is True
    waiter.does(primitive, "release")
    is_free(primitive)
    complete(use(primitive))


async def use(primitive):
    assert await primitive.acquire_async(1.0)
    primitive.release()


def test_a_closed_wait_of_a_condition_does_not_swallow_the_notification():
    """A closed coroutine can't wait for the lock; somebody else is to hear what it was told."""
    condition = latchwork.Condition(latchwork.Lock())

    async def main():
        await condition.acquire_async()
        coroutine = condition.wait_async()
        coroutine.send(None)
        other = await begun(wait_in(condition))
        await condition.acquire_async()
        condition.notify()
        coroutine.close()
        condition.release()
        await until(other.done)
        assert condition._waiting() == 0

    complete(main())


@pytest.mark.parametrize("make", [latchwork.Lock, latchwork.RLock])
def test_a_collected_waiter_of_a_condition_releases_nothing(make, monkeypatch):
    """The collector closes each coroutine by itself; the lock may be somebody else's by then."""
    condition = latchwork.Condition(make())
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    def leave_one_waiting():
        loop = asyncio.new_event_loop()
        task = loop.create_task(wait_in(condition))
        loop.run_until_complete(asyncio.sleep(0.01))
        task._log_destroy_pending = False
        loop.close()

    gc.disable()
    try:
        leave_one_waiting()
        holder = held_elsewhere(condition)
        gc.collect()
    finally:
        gc.enable()
    assert Party().does(condition, "acquire", True, 0.1).result is False
    assert holder.does(condition, "release").result is None
    assert not unraisable
    assert condition._waiting() == 0


def test_a_collected_holder_of_a_condition_releases_it():
    """One that was not waiting, but had it. (An RLock would be its task's, which is gone.)"""
    condition = latchwork.Condition(latchwork.Lock())

    async def hold():
        async with condition:
            await asyncio.Event().wait()

    def leave_one_holding():
        loop = asyncio.new_event_loop()
        task = loop.create_task(hold())
        loop.run_until_complete(asyncio.sleep(0.01))
        task._log_destroy_pending = False
        loop.close()

    leave_one_holding()
    assert condition._lock.locked()
    gc.collect()
    assert not condition._lock.locked()


async def wait_in(condition):
    async with condition:
        assert await condition.wait_async()


def test_a_task_group_that_fails_cancels_those_that_wait():
    lock, event = latchwork.Lock(), latchwork.Event()
    holder = held_elsewhere(lock)

    async def wait_until_one_fails():
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(lock.acquire_async())
                group.create_task(event.wait_async())
                group.create_task(latchwork.wait_async([lock, event]))
            await asyncio.sleep(0)
            raise ValueError

    async def main():
        with pytest.raises(ExceptionGroup):
            await wait_until_one_fails()
        holder.does(lock, "release")

    complete(main())
    is_free(lock)


INTERRUPTED = """
import asyncio, sys, latchwork
lock, event = latchwork.Lock(name="lock"), latchwork.Event(name="event")
condition = latchwork.Condition(name="condition")

async def waits():
    async with condition:
        await condition.wait_async()

async def main():
    tasks = [asyncio.create_task(lock.acquire_async()), asyncio.create_task(waits()),
             asyncio.create_task(latchwork.wait_async([event, lock]))]
    await asyncio.sleep(0.01)
    print("waiting", flush=True)
    await event.wait_async()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    assert not condition._waiting()
    assert not condition._is_owned()
    assert lock.acquire(timeout=10)
    lock.release()
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_every_wait_of_a_loop(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    lock = latchwork.Lock(name="lock")
    try:
        holder = held_elsewhere(lock)
        child = subprocess.Popen(
            [sys.executable, "-X", "dev", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "waiting\n"
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)
        holder.does(lock, "release")
        out, err = child.communicate(timeout=20)
        assert (out, err) == ("interrupted\n", "")
        is_free(lock)
    finally:
        for kind, name in ((latchwork.Lock, "lock"), (latchwork.Event, "event")):
            kind(name=name).unlink()
        latchwork.Condition(name="condition").unlink()


def test_ctrl_c_while_a_granted_task_has_not_gone_on():
    """The signal comes when the loop is told: the task has it, or nobody has."""
    lock = latchwork.BoundedSemaphore()  # had in the order in which they came
    holder, waiter = held_elsewhere(lock), Party()
    tasks = []

    async def main():
        victim = Stepping(lock.acquire_async())
        tasks.append(victim.task)
        assert await victim.suspended()
        waiter.begins(lock, "acquire")
        victim.steps.when_told = lambda: os.kill(os.getpid(), signal.SIGINT)
        holder.does(lock, "release")
        await asyncio.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    if not tasks[0].cancelled():
        assert tasks[0].result() is True
        lock.release()
    assert waiter.says().result is True
