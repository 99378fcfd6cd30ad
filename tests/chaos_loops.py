"""The processes of chaos_async.py: those with one event loop or two, and those without any."""

import asyncio
import contextlib
import ctypes
import math
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray, RawValue
from pathlib import Path

import chaos
import chaos_family as family
import chaos_killing as killing
from chaos_tasks import COUNTS, FIXED_ROLES, OWNED, ROLES, Steady, Task

import latchwork
from latchwork import _core

try:
    import uvloop
except ImportError:
    uvloop = None

TASKS = 250  # of a process that has any
GO, DRAIN, LEAVE = range(3)  # what a process is asked for; drained: its tasks end what they are at
ENDS_WITHIN = 10.0


class Shared(chaos.Shared):
    def __init__(self, kinds: int, places: int, latches: int) -> None:
        super().__init__(places, COUNTS, latches)
        self.owned = latchwork.Semaphore(OWNED, owned=True)
        self.owned_users = RawArray(ctypes.c_long, places)
        self.meeting = latchwork.Barrier(family.PARTIES)
        store = latchwork.Lock()
        self.room, self.stock = latchwork.Condition(store), latchwork.Condition(store)
        self.level = RawValue(ctypes.c_long, 0)
        self.doing = RawArray(ctypes.c_long, places)
        self.asked = RawArray(ctypes.c_long, kinds)
        self.made += 5


class Process:
    """One that has tasks, or none."""

    def __init__(self, shared: Shared, which: int, places: range, seed: int) -> None:
        self.shared, self.which, self.places = shared, which, places
        self.random = random.Random(seed)

    def goes_on(self) -> bool:
        return self.shared.asked[self.which] == GO

    def one_loop(self, new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.loop_over(self.places, new_loop)

    def fast_loop(self) -> None:
        self.one_loop(uvloop.new_event_loop if uvloop else None)

    def two_loops(self) -> None:
        half = len(self.places) // 2
        other = threading.Thread(target=self.in_thread, args=(self.places[half:],))
        other.start()
        self.loop_over(self.places[:half])
        other.join()

    def in_thread(self, places: range) -> None:
        with killing.answering(self.shared):
            self.loop_over(places)

    def loop_over(self, places: range, new_loop=None) -> None:
        """One event loop after another, with others of the process beside them."""
        while self.goes_on():
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self.tasks(places, time.monotonic() + self.random.uniform(0.2, 3)))
        for place in places:
            self.shared.beat[place] = math.inf
        self.wait_to_leave()

    def wait_to_leave(self) -> None:
        while self.shared.asked[self.which] != LEAVE:
            time.sleep(0.01)

    def no_loop(self) -> None:
        steady = Steady(self.shared, self.places[0], self.random.randrange(1 << 30))
        steady.run_while(self.goes_on)
        self.wait_to_leave()

    async def tasks(self, places: range, until: float) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: self.shared.breach(f"in a callback: {context}")
        )
        with pipes() as both:
            doers = [Task(self.shared, at, self.random.randrange(1 << 30), both) for at in places]
            roles = [*FIXED_ROLES, *[None] * (len(doers) - len(FIXED_ROLES))]
            tasks = [
                asyncio.create_task(doer.run(role)) for doer, role in zip(doers, roles, strict=True)
            ]
            cancelling = asyncio.create_task(self.cancel_some(tasks[len(FIXED_ROLES) :]))
            while self.goes_on() and time.monotonic() < until:
                await asyncio.sleep(0.01)
            cancelling.cancel()
            drains = self.shared.asked[self.which] == DRAIN
            for doer, task in zip(doers, tasks, strict=True):
                doer.over, doer.rests = True, drains
                if not drains:
                    task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():  # before it began
                    task.result()
            while drains and self.shared.asked[self.which] != LEAVE:
                await asyncio.sleep(0.01)

    async def cancel_some(self, tasks: list[asyncio.Task]) -> None:
        while True:
            await asyncio.sleep(self.random.random() * 0.01)
            for task in self.random.sample(tasks, self.random.randrange(8)):
                task.cancel()


WITH_TASKS = (Process.one_loop, Process.fast_loop, Process.two_loops, Process.one_loop)
KINDS = (*WITH_TASKS, Process.no_loop, Process.no_loop)
STEADY = range(TASKS * len(WITH_TASKS), TASKS * len(WITH_TASKS) + len(KINDS) - len(WITH_TASKS))
PLACES = (
    *(range(which * TASKS, (which + 1) * TASKS) for which in range(len(WITH_TASKS))),
    *(range(place, place + 1) for place in STEADY),
)


@contextlib.contextmanager
def pipes():
    """One end from which nothing ever can be read, and one from which something always can."""
    silent, readable = os.pipe(), os.pipe()
    os.write(readable[1], b"x")
    try:
        yield silent[0], readable[0]
    finally:
        for end in (*silent, *readable):
            os.close(end)


def descriptors() -> Counter[str]:
    found: Counter[str] = Counter()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the directory itself
            found[os.readlink(link).partition(":[")[0]] += 1
    return found


def nothing_left(before: Counter[str]) -> str | None:
    end = time.monotonic() + ENDS_WITHIN
    while len(tasks := list(Path("/proc/self/task").iterdir())) > 1:
        if time.monotonic() > end:
            return f"threads are left: {[(task / 'comm').read_text().strip() for task in tasks]}"
        time.sleep(0.01)
    if more := descriptors() - before:
        return f"descriptors are left: {more}"
    return None


def doing(shared: Shared, place: int) -> str:
    return (Steady.ROLES if place in STEADY else ROLES)[shared.doing[place]]


def work(shared: Shared, which: int, seed: int, calm: bool) -> None:
    with killing.answering(shared):
        _core.recheck_first(1000 if calm else 0.02)
        if uvloop is not None:
            uvloop.new_event_loop().close()  # the first one of a process opens what is never closed
        before = descriptors()
        KINDS[which](Process(shared, which, PLACES[which], seed))
        if left := nothing_left(before):
            shared.breach(left)
