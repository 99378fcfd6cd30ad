"""Death never hangs a task, and a process that dies while its tasks wait hangs nobody."""

import logging
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any, NamedTuple

import pytest
from actors import METHODS, SOON
from await_scenes import Using
from awaiting_party import AwaitingParty
from party import FORK, Party
from stepping import begun, complete, digested, until

import latchwork
from latchwork import BrokenBarrierError, _core

pytestmark = pytest.mark.timeout(60)

PATIENCE = 0.02  # more than the millisecond after which a party of a barrier is watched


class Held(NamedTuple):
    """What a process holds, and a task waits for."""

    make: Callable[[], Any]
    hold: str = "acquire"
    free: str = "release"
    wait: str = "acquire"
    give: str = "release"
    tells: bool = True  # whether the next owner is told by `abandoned`


HELD = {
    "Lock": Held(latchwork.Lock),
    "RLock": Held(latchwork.RLock),
    "BoundedSemaphore": Held(latchwork.BoundedSemaphore, tells=False),
    "Semaphore(owned)": Held(lambda: latchwork.Semaphore(1, owned=True), tells=False),
    "read after write": Held(
        latchwork.RWLock, "acquire_write", "release_write", "acquire_read", "release_read"
    ),
    "write after write": Held(
        latchwork.RWLock, "acquire_write", "release_write", "acquire_write", "release_write"
    ),
    "write after read": Held(
        latchwork.RWLock, "acquire_read", "release_read", "acquire_write", "release_write", False
    ),
}


@pytest.fixture(params=HELD)
def scene(request):
    """A primitive, who holds it, and what is done with it."""
    how = HELD[request.param]
    primitive, holder = how.make(), Party()
    assert holder.does(primitive, how.hold).result is True
    return primitive, holder, how


def test_a_task_gets_what_a_killed_process_held_and_is_told(scene, no_net, caplog):
    primitive, holder, how = scene

    async def main():
        async def victim():
            assert await getattr(primitive, f"{how.wait}_async")()
            abandoned = getattr(primitive, "abandoned", False)
            getattr(primitive, how.give)()
            return abandoned

        waiting = await begun(victim())
        holder.kill()
        await until(waiting.done)
        assert waiting.result() is how.tells

    with caplog.at_level(logging.WARNING, "latchwork"):
        complete(main())
    if how.tells or hasattr(primitive, "get_value"):
        assert f"process {holder.pid} died while it held" in caplog.text
        assert caplog.text.count(f"process {holder.pid} died") == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_task_in_a_process_of_any_start_method_gets_it(method):
    lock = latchwork.Lock()
    holder = Party()
    holder.does(lock, "acquire")
    waiter = AwaitingParty(lock, "acquire_async", ctx=latchwork.get_context(method))
    holder.kill()
    told = waiter.says()
    assert (told.result, told.abandoned) == (True, True)


def test_a_task_gets_a_dead_process_lock_without_futex_waitv(scene):
    primitive, holder, how = scene

    async def main():
        waiting = await begun(getattr(primitive, f"{how.wait}_async")())
        holder.kill()
        await until(waiting.done)

    _core.forbid_waitv(True)
    try:
        complete(main())
    finally:
        _core.forbid_waitv(False)


def test_it_takes_some_milliseconds():
    """A bound for loaded machines; how long it takes is the benchmark's to tell."""
    took = []

    async def main():
        for _ in range(15):
            lock = latchwork.Lock()
            holder = Party()
            holder.does(lock, "acquire")
            waiting = await begun(lock.acquire_async())
            digested()
            killed = holder.kill()
            await waiting
            took.append(time.monotonic() - killed)

    complete(main())
    assert statistics.median(took) < 0.05


def test_of_many_tasks_each_gets_what_the_dead_one_held_once(no_net):
    """Hundred locks of one process, and ten tasks at each."""
    locks = [latchwork.Lock() for _ in range(100)]
    holder = Party()
    for lock in locks:
        holder.does(lock, "acquire")

    async def main():
        abandoned = []

        async def use(lock):
            async with lock:
                abandoned.append(lock.abandoned)

        tasks = [await begun(use(lock)) for lock in locks for _ in range(10)]
        holder.kill()
        for task in tasks:
            await until(task.done)
            task.result()
        assert abandoned.count(True) == 100
        assert len(abandoned) == 1000

    complete(main())


def test_wait_async_is_over_when_an_owner_dies(no_net):
    lock, event = latchwork.Lock(), latchwork.Event()
    holder = Party()
    holder.does(lock, "acquire")

    async def main():
        waiting = await begun(latchwork.wait_async([event, lock]))
        holder.kill()
        await until(waiting.done)
        assert waiting.result() == [lock]

    complete(main())


@pytest.mark.parametrize("make", [latchwork.Lock, latchwork.RLock])
def test_a_task_is_notified_in_place_of_a_chosen_process_that_dies(make, no_net):
    condition = latchwork.Condition(make())

    async def wait_in_it():
        async with condition:
            return await condition.wait_async()

    async def main():
        chosen = Party().begins(Using(condition), "wait")
        waiting = await begun(wait_in_it())
        async with condition:
            condition.notify()
            chosen.sleeps()  # for the lock
            chosen.kill()
            await until(lambda: condition._waiting() == 0)
            assert not waiting.done()
        await until(waiting.done)
        assert waiting.result() is True

    complete(main())


def test_a_task_gets_the_lock_back_from_one_that_dies_with_it(no_net, caplog):
    condition = latchwork.Condition()

    async def wait_in_it():
        async with condition:
            assert await condition.wait_async()
            return condition._lock.abandoned

    async def main():
        waiting = await begun(wait_in_it())
        notifier = Party()
        notifier.does(condition, "acquire")
        notifier.does(condition, "notify")
        digested()
        notifier.kill()
        await until(waiting.done)
        assert waiting.result() is True
        return notifier

    with caplog.at_level(logging.WARNING, "latchwork"):
        notifier = complete(main())
    assert f"process {notifier.pid} died while it held this lock" in caplog.text


def patient(*parties):
    """All have waited for longer than a barrier's patience (which is counted from their last sleep)."""
    time.sleep(PATIENCE)
    digested()
    for party in parties:
        party.sleeps()


def test_a_party_that_is_killed_breaks_the_barrier_for_tasks(no_net, caplog):
    barrier = latchwork.Barrier(4)

    async def main():
        party = Party().begins(barrier, "wait")
        tasks = [await begun(barrier.wait_async()) for _ in range(2)]
        patient(party)
        party.kill()
        for task in tasks:
            await until(task.done)
            with pytest.raises(BrokenBarrierError):
                task.result()
        return party

    with caplog.at_level(logging.WARNING, "latchwork"):
        party = complete(main())
    assert f"process {party.pid} died in this barrier" in caplog.text
    assert barrier.broken


def test_a_process_killed_with_its_tasks_in_a_barrier_breaks_it(no_net):
    barrier = latchwork.Barrier(4)
    victim = AwaitingParty(barrier, "wait_async")
    party = Party().begins(barrier, "wait")

    async def main():
        task = await begun(barrier.wait_async())
        patient(party)
        victim.watched()
        victim.kill()
        await until(task.done)
        with pytest.raises(BrokenBarrierError):
            task.result()

    complete(main())
    assert party.says().result is BrokenBarrierError


def test_a_process_killed_while_its_task_waits_costs_nobody_anything(scene, no_net):
    primitive, holder, how = scene
    victim = AwaitingParty(primitive, f"{how.wait}_async")
    thread = Party().begins(primitive, how.wait)
    victim.gone()  # what is woken while it dies is found by the re-check
    holder.does(primitive, how.free)
    assert thread.says().result is True


def exclusively(how):
    """How to wait so that one at a time has it."""
    return "acquire" if how.wait == "acquire" else "acquire_write"


def test_a_process_killed_when_it_was_granted_and_its_loop_had_not_heard(scene, no_net):
    """The dead process had it: for those behind, as if a thread had."""
    primitive, holder, how = scene
    victim = AwaitingParty(primitive, f"{how.wait}_async", blocked=True)
    thread = Party().begins(primitive, exclusively(how))
    holder.does(primitive, how.free)
    victim.watched()
    assert thread.is_silent(0.05)
    victim.kill()
    told = thread.says()
    assert told.result is True
    assert told.abandoned is (not hasattr(primitive, "get_value") and how.wait != "acquire_read")


def test_processes_with_loops_die_one_after_the_other_with_it(scene, no_net):
    primitive, holder, how = scene
    parties = [AwaitingParty(primitive, f"{exclusively(how)}_async") for _ in range(3)]
    while parties:
        holder.kill()
        heard = wait([party.conn for party in parties], SOON)
        assert len(heard) == 1, "it hangs, or two have it"
        (holder,) = (party for party in parties if party.conn in heard)
        assert holder.says().result is True
        parties.remove(holder)


@pytest.mark.parametrize("kind", ["Event", "Latch"])
def test_a_process_killed_while_its_task_waits_for_an_event_or_latch(kind, no_net):
    primitive = latchwork.Event() if kind == "Event" else latchwork.Latch(1)
    victims = [AwaitingParty(primitive, "wait_async", blocked=blocked) for blocked in (True, False)]
    survivors = [AwaitingParty(primitive, "wait_async"), Party().begins(primitive, "wait")]
    for victim in victims:
        victim.kill()
    primitive.set() if kind == "Event" else primitive.count_down()
    for survivor in survivors:
        assert survivor.says().result is True


class Waiting:
    """What a process awaits of a condition."""

    def __init__(self, condition):
        self.condition = condition

    async def wait_async(self):
        async with self.condition:
            return await self.condition.wait_async()


@pytest.mark.parametrize("blocked", [False, True], ids=["running", "blocked"])
def test_a_notification_of_a_killed_process_goes_to_another(blocked, no_net):
    """Killed while it waits for the lock that the notifier keeps."""
    condition = latchwork.Condition()
    victim = AwaitingParty(Waiting(condition), "wait_async", blocked=blocked)
    thread = Party().begins(Using(condition), "wait")
    with condition:
        condition.notify()
        victim.watched()
        victim.gone()
        while condition._waiting():
            pass  # a hang, if nobody is chosen in its place: the lock is still here
    assert thread.says().result is True


def test_a_notified_process_killed_before_its_loop_heard_while_the_lock_is_free(no_net):
    condition = latchwork.Condition()
    victim = AwaitingParty(Waiting(condition), "wait_async", blocked=True)
    thread = Party().begins(Using(condition), "wait")
    with condition:
        condition.notify()
    victim.watched()
    assert thread.is_silent(0.05)
    victim.kill()
    assert thread.says().result is True


def test_the_death_of_a_loops_thread_is_not_the_death_of_its_process(no_net):
    """What the tasks of a loop that has ended hold is held until the process ends."""
    lock = latchwork.Lock()

    def act():
        complete(lock.acquire_async())
        return lock._owner_pid() == os.getpid()

    party = Party(FORK, act)
    assert party.says() is True
    thread = Party().begins(lock, "acquire")
    assert thread.is_silent(0.05)
    party.kill()
    assert thread.says().abandoned is True
