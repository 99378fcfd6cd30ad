"""The async faces with the sync interface, so that a law is written once.

Each process that uses them has an event loop on a thread of its own, and in it a task for each thread
that asks for something: an RLock that a thread takes in this way belongs to its task, and only that task
gives it back.
"""

import asyncio
import copy
import os
import threading
from concurrent.futures import Future

from actors import SOON


class Deputy:
    """The task that does, one after the other, what one thread asks for."""

    def __init__(self):
        self.jobs = asyncio.Queue()
        self.awaited = None
        self.task = asyncio.create_task(self.run())

    async def run(self):
        while True:
            self.awaited, answer = await self.jobs.get()
            try:
                answer.set_result(await self.awaited)
            except Exception as error:
                answer.set_exception(error)
            except asyncio.CancelledError:
                answer.cancel()
                raise
            self.awaited = answer = None  # they have the primitive


class Loop:
    """An event loop on a thread of its own, until it is told to end."""

    def __init__(self):
        self.deputies = {}
        ready = Future()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run(ready)), daemon=True)
        self.thread.start()
        self.loop, self.told = ready.result(SOON)

    async def run(self, ready):
        told = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), told))
        await told.wait()

    def do(self, coroutine):
        """What comes of it, in the task of the thread that calls this."""
        answer = Future()
        thread = threading.get_native_id()
        self.loop.call_soon_threadsafe(self.hand_over, thread, coroutine, answer)
        return answer.result()

    def hand_over(self, thread, coroutine, answer):
        if thread not in self.deputies:
            self.deputies[thread] = Deputy()
        self.deputies[thread].jobs.put_nowait((coroutine, answer))

    def is_suspended(self, thread):
        """Whether that thread's task waits for something to happen to a primitive."""
        return asyncio.run_coroutine_threadsafe(self.look(thread), self.loop).result(SOON)

    async def look(self, thread):
        deputy = self.deputies.get(thread)
        before = deputy and deputy.awaited
        # Not if it only has not had its turn yet, be it the first one or after it was woken.
        await asyncio.sleep(0)
        return before is not None and deputy.awaited is before

    def end(self):
        """Cancel what is still awaited, and wait for the end of the thread."""
        self.loop.call_soon_threadsafe(self.told.set)
        self.thread.join(SOON)
        assert not self.thread.is_alive(), "the event loop hangs"


_loops = {}  # by process: a forked child has no use for its parent's
_making = threading.Lock()


def this_loop():
    """The one of this process."""
    with _making:
        if os.getpid() not in _loops:
            _loops[os.getpid()] = Loop()
        return _loops[os.getpid()]


def end_loop():
    """End the one of this process, if there is one."""
    loop = _loops.pop(os.getpid(), None)
    if loop is not None:
        loop.end()


def is_suspended(_, thread):
    """Whether the task of that thread of this process is: what another process asks."""
    return this_loop().is_suspended(thread)


def do(coroutine):
    return this_loop().do(coroutine)


async def _now(function):
    return function()


async def _awaited(function, *args):
    return await function(*args)


class Held:
    """``with`` for what has only ``async with``; it is True, where that is None as asyncio's."""

    def __init__(self, manager):
        self.manager = manager

    def __enter__(self):
        assert do(_awaited(self.manager.__aenter__)) is None
        return True

    def __exit__(self, *raised):
        return do(_awaited(self.manager.__aexit__, *raised))


class Awaiting(Held):
    """A primitive whose methods wait by their ``_async`` twins; all others are called in the task."""

    def __init__(self, primitive):
        super().__init__(primitive)
        self.primitive = primitive

    def acquire(self, *args, **kwargs):
        return self._acquire("acquire_async", *args, **kwargs)

    def acquire_read(self, *args, **kwargs):
        return self._acquire("acquire_read_async", *args, **kwargs)

    def acquire_write(self, *args, **kwargs):
        return self._acquire("acquire_write_async", *args, **kwargs)

    def _acquire(self, method, block=True, timeout=None, *, blocking=True):
        acquire = getattr(self.primitive, method)
        if not (block and blocking):
            return do(acquire(timeout=0))
        return do(acquire() if timeout is None else acquire(timeout))

    def wait(self, *args, **kwargs):
        return do(self.primitive.wait_async(*args, **kwargs))

    def wait_for(self, *args, **kwargs):
        return do(self.primitive.wait_for_async(*args, **kwargs))

    def read(self, *args, **kwargs):
        return Held(self.primitive.read(*args, **kwargs))

    def write(self, *args, **kwargs):
        return Held(self.primitive.write(*args, **kwargs))

    def __getattr__(self, name):
        if not callable(getattr(type(self.primitive), name)):
            return do(_now(lambda: getattr(self.primitive, name)))
        method = getattr(self.primitive, name)
        return lambda *args, **kwargs: do(_now(lambda: method(*args, **kwargs)))

    def __copy__(self):
        return Awaiting(copy.copy(self.primitive))

    def __reduce__(self):
        return Awaiting, (self.primitive,)

    def __repr__(self):
        return repr(self.primitive)


def by_awaiting(primitive, what, *args, **kwargs):
    """A method or attribute by its name, or a function of the primitive, with its async face."""
    face = Awaiting(primitive)
    if not isinstance(what, str):
        return what(face, *args, **kwargs)
    attribute = getattr(face, what)
    return attribute(*args, **kwargs) if callable(attribute) else attribute
