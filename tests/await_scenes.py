"""One scene for each thing that can be awaited."""

import asyncio
import os
import time

from actors import SOON
from await_scene import Scene
from party import Party
from stepping import says, until

import latchwork


class Taking:
    """What a party does behind the victim: it gives back at once, as it may be quicker."""

    def __init__(self, primitive, take="acquire", give="release"):
        self.primitive, self.how = primitive, (take, give)

    def take_and_give(self):
        take, give = (getattr(self.primitive, name) for name in self.how)
        got = take()
        give()
        return got


class Acquiring(Scene):
    """Of a lock or a permit that the other side has."""

    make = latchwork.Lock
    take, give = "acquire", "release"  # what the victim does
    hold, free = "acquire", "release"  # what the other side does
    follow, leave = "acquire", "release"  # what the process behind does
    moves = ("let_go",)

    def prepare(self):
        self.primitive = self.make()

    def begin(self):
        self.does(self.primitive, self.hold, result=True)

    async def victim(self):
        got = await getattr(self.primitive, f"{self.take}_async")()
        getattr(self.primitive, self.give)()
        return got

    def let_go(self):
        self.does(self.primitive, self.free)

    def process_waits(self):
        taking = Taking(self.primitive, self.follow, self.leave)
        self.process.asked(taking, "take_and_give").sleeps_or_is_done()

    task_behind = victim

    async def check(self):
        await self.third_does(self.primitive, "acquire", True, 1.0, result=True)
        await self.third_does(self.primitive, "release")


class OfLock(Acquiring):
    pass


class OfRLock(Acquiring):
    make = latchwork.RLock


class OfSemaphore(Acquiring):
    @staticmethod
    def make():
        return latchwork.Semaphore(1)

    async def check(self):
        await super().check()
        assert self.primitive.get_value() == 1


class OfOwnedSemaphore(OfSemaphore):
    @staticmethod
    def make():
        return latchwork.Semaphore(1, owned=True)


class OfBoundedSemaphore(OfSemaphore):
    @staticmethod
    def make():
        return latchwork.BoundedSemaphore(1)


class OfUnownedBoundedSemaphore(OfSemaphore):
    @staticmethod
    def make():
        return latchwork.BoundedSemaphore(1, owned=False)


class OfReading(Acquiring):
    make = latchwork.RWLock
    take, give = "acquire_read", "release_read"
    hold, free = "acquire_write", "release_write"
    follow, leave = "acquire_write", "release_write"

    async def check(self):
        await self.third_does(self.primitive, "acquire_write", True, 1.0, result=True)
        await self.third_does(self.primitive, "release_write")
        assert self.primitive.readers == 0


class OfWriting(OfReading):
    take, give = "acquire_write", "release_write"
    hold, free = "acquire_read", "release_read"
    follow, leave = "acquire_read", "release_read"


class OfEvent(Scene):
    moves = ("ready",)

    def prepare(self):
        self.primitive = latchwork.Event()

    async def victim(self):
        assert await self.primitive.wait_async()

    def ready(self):
        self.does(self.primitive, "set")

    def process_waits(self):
        self.process.begins(self.primitive, "wait")

    task_behind = victim


class OfLatch(OfEvent):
    def prepare(self):
        self.primitive = latchwork.Latch(1)

    def ready(self):
        self.does(self.primitive, "count_down")


class Several:
    """What a party waits for with wait()."""

    def __init__(self, items):
        self.items = items

    def wait(self):
        return bool(latchwork.wait(self.items))


class OfSeveral(Scene):
    """Waits for an Event, a Lock that is had and a Latch."""

    moves = ("ready",)

    def prepare(self):
        self.event, self.lock = latchwork.Event(), latchwork.Lock()
        self.items = [latchwork.Latch(1), self.event, self.lock]

    def begin(self):
        self.does(self.lock, "acquire", result=True)

    async def victim(self):
        assert await latchwork.wait_async(self.items)

    def ready(self):
        self.does(self.event, "set")

    def process_waits(self):
        self.process.begins(Several(self.items), "wait")

    task_behind = victim


class OfSeveralWithFiles(OfSeveral):
    """It is a file that gets ready."""

    def prepare(self):
        super().prepare()
        self.reader, self.writer = os.pipe()
        self.items.append(self.reader)

    def ready(self):
        os.write(self.writer, b"1")

    def process_waits(self):
        """It sleeps in poll(), and a thread of it on the words."""
        self.process.asked(Several(self.items), "wait")
        end = time.monotonic() + SOON
        while len(os.listdir(f"/proc/{self.process.pid}/task")) == 1:
            assert time.monotonic() < end
            time.sleep(0.001)

    async def check(self):
        os.close(self.reader)
        os.close(self.writer)


class OfSeveralWithALock(OfSeveral):
    """It is the lock, which the process behind wants to have: the victim may have been woken for it."""

    def ready(self):
        self.does(self.lock, "release")

    def process_waits(self):
        self.process.begins(Taking(self.lock), "take_and_give")


class Using:
    """What a party does with a condition."""

    def __init__(self, condition):
        self.condition = condition

    def wait(self):
        with self.condition:
            return self.condition.wait()

    def notify_all(self):
        with self.condition:
            self.condition.notify_all()


class OfCondition(Scene):
    """One notification for three: if the victim does not use it, the next one gets it."""

    make = latchwork.RLock
    moves = ("notify", "let_go")
    passed_on = True  # the one notification, as the victim did not use it

    def prepare(self):
        self.condition = latchwork.Condition(self.make())

    async def wait(self):
        return await self.condition.wait_async()

    async def victim(self):
        async with self.condition:
            try:
                assert await self.wait()
            finally:
                assert self.condition._is_owned()

    def notify(self):
        self.does(self.condition, "acquire", True, 1.0, result=True)
        self.does(self.condition, "notify")

    def let_go(self):
        self.does(self.condition, "release")

    def process_waits(self):
        self.process.begins(Using(self.condition), "wait")

    async def task_behind(self):
        async with self.condition:
            assert await self.condition.wait_async()

    async def all_go_on(self, whom):
        if self.passed_on:
            await until(lambda: self.condition._waiting() == max(len(whom) - 1, 0))
        await self.third_does(Using(self.condition), "notify_all")
        await super().all_go_on(whom)

    async def check(self):
        assert self.condition._waiting() == 0
        await self.third_does(self.condition, "acquire", True, 1.0, result=True)
        await self.third_does(self.condition, "release")


class OfConditionWithLock(OfCondition):
    make = latchwork.Lock


class OfWaitFor(OfCondition):
    """Notified once for nothing, and then with all others."""

    moves = ("notify", "let_go", "notify_that_it_is_true", "let_go")
    passed_on = False
    true = False

    async def wait(self):
        return await self.condition.wait_for_async(lambda: self.true)

    async def wait_behind(self, whom):
        await super().wait_behind(whom)
        self.waiting = 1 + len(whom)

    def settled(self, moves):
        return moves != 2 or self.condition._waiting() == self.waiting

    def notify_that_it_is_true(self):
        self.does(self.condition, "acquire", True, 1.0, result=True)
        self.true = True
        self.does(self.condition, "notify_all")


class OfBarrier(Scene):
    """The other side comes last; if the victim has left before, somebody has to come instead."""

    moves = ("arrive",)

    def prepare(self):
        self.primitive = latchwork.Barrier(4)
        self.last = Party()

    async def victim(self):
        assert await self.primitive.wait_async() in range(4)

    def arrive(self):
        self.last.asked(self.primitive, "wait").sleeps_or_is_done()

    def process_waits(self):
        self.process.begins(self.primitive, "wait")

    task_behind = victim

    async def wait_behind(self, whom):
        await super().wait_behind(("process", "task"))

    async def process_goes_on(self):
        assert (await says(self.process)).result in range(4)

    async def all_go_on(self, whom):
        await until(lambda: self.last.conn.poll() or self.primitive.n_waiting == 3)
        if self.primitive.n_waiting == 3:
            self.tasks.append(asyncio.ensure_future(self.task_behind()))
        await super().all_go_on(("process", "task"))
        assert (await says(self.last)).result in range(4)

    async def check(self):
        assert self.primitive.n_waiting == 0
        assert not self.primitive.broken


SCENES = [
    OfLock,
    OfRLock,
    OfSemaphore,
    OfOwnedSemaphore,
    OfBoundedSemaphore,
    OfUnownedBoundedSemaphore,
    OfReading,
    OfWriting,
    OfEvent,
    OfLatch,
    OfSeveral,
    OfSeveralWithFiles,
    OfSeveralWithALock,
    OfCondition,
    OfConditionWithLock,
    OfWaitFor,
    OfBarrier,
]
