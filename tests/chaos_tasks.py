"""What a task does in chaos_async.py: the roles of chaos.py, awaited, and cut short at random."""

import asyncio
import math
from collections.abc import Callable

import chaos
import chaos_family as family

import latchwork
from latchwork import BrokenBarrierError

OWNED = 2
STORED = 3
COUNTS = (
    *chaos.COUNTS,
    *("cancelled", "cut", "given", "late", "stored", "fetched", "several", "raced"),
)
# Those that have one role: what they wait for comes from one place, at its own pace.
FIXED_ROLES = ("consumer", "consumer")
ROLES = (
    *(
        "locker",
        "locker",
        "locker",
        "nested",
        "deep",
        "pooler",
        "pooler",
        "reader",
        "reader",
        "writer",
    ),
    *(
        "waiter",
        "setter",
        "party",
        "meeter",
        "latcher",
        "taker",
        "giver",
        "borrower",
        "putter",
        "getter",
    ),
    *("several", "lock_racer", "write_racer", "permit_racer", "token_racer", *set(FIXED_ROLES)),
)


class Task(chaos.Worker):
    """One task: one operation after another, until it is over."""

    def __init__(self, shared, place: int, seed: int, pipes: tuple[int, int]) -> None:
        super().__init__(shared, place, seed)
        self.silent, self.readable = pipes
        self.over = self.rests = False

    async def run(self, role: str | None) -> None:
        task = asyncio.current_task()
        chosen = [name for name in ROLES if name not in FIXED_ROLES]
        while not self.over:
            name = role or self.random.choice(chosen)
            self.shared.doing[self.place] = ROLES.index(name)
            try:
                await self.think()
                await self.perhaps_cut_short(getattr(self, name))
            except asyncio.CancelledError:
                self.uncancel(task)
            else:
                if task.cancelling():
                    self.breach(f"{name}: a cancellation was swallowed")
        if self.rests:
            self.shared.beat[self.place] = math.inf

    def uncancel(self, task: asyncio.Task) -> None:
        if not task.cancelling():
            self.breach(f"{self.role()}: a cancellation that nobody had asked for")
        while task.cancelling():
            task.uncancel()
        self.count("cancelled")

    def role(self) -> str:
        return ROLES[self.shared.doing[self.place]]

    async def perhaps_cut_short(self, operation) -> None:
        if self.random.random() < 0.8:
            return await operation()
        try:
            async with asyncio.timeout(self.random.choice((0, 0.0001, 0.001, 0.01))) as scope:
                await operation()
        except TimeoutError:
            return self.count("cut")
        if scope.expired():
            self.breach(f"{self.role()}: the cancellation of a timeout was swallowed")

    async def think(self) -> None:
        await asyncio.sleep(self.random.choice((0, 0, 0.02)) * self.random.random())

    async def pause(self) -> None:
        """While holding something: mostly not at all, so that others come to it."""
        chance = self.random.random()
        if chance < 0.3:
            await asyncio.sleep(0 if chance < 0.2 else chance * 0.01)

    def patience(self) -> float | None:
        return self.random.choice((None, None, None, 0, 0.0005, 0.005, 0.05))

    async def has(self, acquire) -> bool:
        patience = self.patience()
        if await acquire(patience):
            return True
        if patience is None:
            self.breach(f"{self.role()}: False without a timeout")
        self.count("timeouts")
        return False

    # Mutual exclusion.

    async def locker(self) -> None:
        await self.lock(self.random.randrange(chaos.LOCKS))

    async def lock(self, which: int) -> None:
        lock = self.shared.locks[which]
        if self.random.random() < 0.5:
            async with lock:
                with self.inside(which):
                    await self.pause()
        elif await self.has(lock.acquire_async):
            try:
                with self.inside(which):
                    await self.pause()
            finally:
                lock.release()

    async def nested(self) -> None:
        low, high = sorted(self.random.sample(range(chaos.LOCKS), 2))
        async with self.shared.locks[low]:
            with self.inside(low):
                await self.pause()
            async with self.shared.locks[high]:
                with self.inside(high):
                    await self.pause()

    async def deep(self) -> None:
        lock = self.shared.locks[-1]
        async with lock, lock:
            await self.pause()
            if not await lock.acquire_async(0):
                self.breach("rlock: its owner can't have it again")
            if lock._count() != 3:
                self.breach(f"rlock: at depth {lock._count()} of 3")
            lock.release()
            with self.inside(chaos.LOCKS - 1):
                await self.pause()

    # Permits.

    async def pooler(self) -> None:
        shared = self.shared
        if self.random.random() < 0.5:
            await self.permit(shared.pool, shared.pool_users, family.PERMITS)
        else:
            await self.permit(shared.owned, shared.owned_users, OWNED)

    async def permit(self, pool, users, permits: int) -> None:
        if self.random.random() < 0.5:
            async with pool:
                with self.permit_in_use(users, permits):
                    await self.pause()
        elif await self.has(pool.acquire_async):
            try:
                with self.permit_in_use(users, permits):
                    await self.pause()
            finally:
                pool.release()

    async def taker(self) -> None:
        if await self.has(self.shared.tokens.acquire_async):
            self.count("tokens")

    async def giver(self) -> None:
        self.shared.tokens.release()
        self.count("given")

    async def borrower(self) -> None:
        async with self.shared.tokens:
            await self.pause()
        self.count("permits")

    # Reads and writes.

    async def reader(self) -> None:
        rw = self.shared.rw
        if self.random.random() < 0.5:
            await self.within(rw.read, self.reading)
        elif await self.has(rw.acquire_read_async):
            try:
                with self.reading():
                    await self.pause()
            finally:
                rw.release_read()

    async def writer(self) -> None:
        rw = self.shared.rw
        if self.random.random() < 0.5:
            await self.within(rw.write, self.writing)
        elif await self.has(rw.acquire_write_async):
            try:
                with self.writing():
                    await self.pause()
            finally:
                rw.release_write()

    async def within(self, hold, doing) -> None:
        patience = self.patience()
        try:
            async with hold(patience):
                with doing():
                    await self.pause()
        except TimeoutError:
            if patience is None:
                self.breach(f"{self.role()}: TimeoutError without a timeout")
            self.count("timeouts")

    # Being told.

    async def waiter(self) -> None:
        if await self.has(self.random.choice(self.shared.events).wait_async):
            self.count("waited")

    async def setter(self) -> None:
        event = self.random.choice(self.shared.events)
        event.set()
        event.clear()
        self.count("set")

    async def latcher(self) -> None:
        latch = self.shared.latches[self.shared.latch.value]
        if await self.has(latch.wait_async):
            self.latched(latch)

    async def party(self) -> None:
        before = self.shared.round.value
        try:
            await self.shared.barrier.wait_async()
        except BrokenBarrierError:
            self.count("broken")
        else:
            self.passed(before)

    async def meeter(self) -> None:
        """At a barrier that somebody's patience breaks all the time."""
        try:
            await self.shared.meeting.wait_async(self.patience())
        except BrokenBarrierError:
            self.count("late")
        else:
            self.count("passed")

    async def several(self) -> None:
        shared = self.shared
        latch = shared.latches[shared.latch.value]
        among = [
            *shared.locks,
            *shared.events,
            shared.pool,
            shared.tokens,
            latch,
            self.silent,
            self.readable,
        ]
        asked = self.random.sample(among, self.random.randrange(1, len(among)))
        patience = self.random.choice((0, 0.001, 0.05, None if shared.events[0] in asked else 0.01))
        found = await latchwork.wait_async(asked, patience)
        if patience is None and not found:
            self.breach("wait_async: nothing, without a timeout")
        if [id(item) for item in asked if item in found] != [id(item) for item in found]:
            self.breach(f"wait_async: {found} of {asked}")
        if self.silent in found or (self.readable in asked and self.readable not in found):
            self.breach(
                f"wait_async: {found}, but {self.readable} is all that can be read of {asked}"
            )
        if latch in found:
            self.latched(latch)
        self.count("several")
        which = self.random.randrange(chaos.LOCKS)
        if shared.locks[which] in found and shared.locks[which].acquire(block=False):
            with self.inside(which):
                pass
            shared.locks[which].release()

    # A small bounded queue, and one item at a time.

    async def putter(self) -> None:
        await self.store("room", "stock", +1)
        self.count("stored")

    async def getter(self) -> None:
        await self.store("stock", "room", -1)
        self.count("fetched")

    async def store(self, mine: str, others: str, step: int) -> None:
        level, wanted = self.shared.level, getattr(self.shared, mine)
        patience = self.random.choice((0, 0.001, 0.05, 0.5))
        async with wanted:
            try:
                if await wanted.wait_for_async(lambda: 0 <= level.value + step <= STORED, patience):
                    level.value += step
                    getattr(self.shared, others).notify()
                if not 0 <= level.value <= STORED:
                    self.breach(f"{level.value} stored")
            finally:
                self.hand_on_what_a_dead_one_took(self.shared.room, self.shared.stock)

    async def consumer(self) -> None:
        shared = self.shared
        async with shared.condition:
            try:
                while shared.put.value == shared.taken.value:
                    self.hand_on_what_a_dead_one_took(shared.condition)
                    await shared.condition.wait_async()
                shared.taken.value += 1
            finally:
                self.hand_on_what_a_dead_one_took(shared.condition)
        self.count("taken")

    # A grant and a cancellation at the same moment.

    async def lock_racer(self) -> None:
        which = self.random.randrange(chaos.LOCKS)
        async with asyncio.TaskGroup() as group:
            async with self.shared.locks[which]:
                late = group.create_task(self.lock(which))
                with self.inside(which):
                    await asyncio.sleep(0)
            await self.cancel(late)

    async def write_racer(self) -> None:
        async with asyncio.TaskGroup() as group:
            async with self.shared.rw.write():
                late = group.create_task(self.random.choice((self.reader, self.writer))())
                with self.writing():
                    await asyncio.sleep(0)
            await self.cancel(late)

    async def permit_racer(self) -> None:
        async with asyncio.TaskGroup() as group:
            async with self.shared.pool:
                late = group.create_task(
                    self.permit(self.shared.pool, self.shared.pool_users, family.PERMITS)
                )
                await asyncio.sleep(0)
            await self.cancel(late)

    async def token_racer(self) -> None:
        async with asyncio.TaskGroup() as group:
            late = group.create_task(self.taker())
            await asyncio.sleep(0)
            await self.giver()
            await self.cancel(late)

    async def cancel(self, late: asyncio.Task) -> None:
        if self.random.random() < 0.5:
            await asyncio.sleep(0)
        late.cancel()
        self.count("raced")


class Steady(chaos.Worker):
    """A process without tasks: one operation after another, until it is over."""

    ROLES = tuple(sorted({*chaos.ROLES, "party", "consumer"}))

    def run_while(self, goes_on: Callable[[], bool]) -> None:
        while goes_on():
            role = self.random.randrange(len(self.ROLES))
            self.shared.doing[self.place] = role
            getattr(self, self.ROLES[role])()
        self.shared.beat[self.place] = math.inf
