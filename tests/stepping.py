"""Coroutines under a test's hand: where they are suspended, and what happens just then."""

import asyncio
import time
from pathlib import Path

from actors import SOON

from latchwork import _core

WATCHER = "latchwork-wait"  # as /proc calls its threads
FUTEX, FUTEX_WAITV = ("202", "98"), "449"  # of x86-64 and arm64
FUTEX_PRIVATE = 0x80  # a mutex: it is about to do something


def complete(coroutine, seconds=3 * SOON):
    """In a loop of its own, bounded."""
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


async def until(state, seconds=SOON):
    """Wait for a state that nobody tells of, while the loop runs on."""
    end = time.monotonic() + seconds
    while not (reached := state()):
        assert time.monotonic() < end, "it hangs"
        await asyncio.sleep(0.001)
    return reached


async def says(party):
    """What a party says, while the loop runs on."""
    await until(party.conn.poll)
    return party.says()


def _is_watcher(task):
    try:
        return (task / "comm").read_text().strip() == WATCHER
    except OSError:  # it has ended
        return False


def watchers(pid="self"):
    """The threads that watch for the tasks of a process."""
    return [task for task in Path(f"/proc/{pid}/task").iterdir() if _is_watcher(task)]


def _sleeps(task):
    try:
        number, *arguments = (task / "syscall").read_text().split()
        state = (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    idle = number in FUTEX and not int(arguments[1], 16) & FUTEX_PRIVATE
    return state == "S" and (idle or number == FUTEX_WAITV)


def _are_there(found, pid):
    """One that was just started has no name yet."""
    return pid != "self" or len(found) >= _core.watcher_threads()


def digested(pid="self"):
    """Wait until the watchers have done what they were woken for: whoever wakes one makes it run."""
    end = time.monotonic() + SOON
    while not (_are_there(found := watchers(pid), pid) and all(_sleeps(task) for task in found)):
        assert time.monotonic() < end, "a watcher never slept"
        time.sleep(0.0005)


class Stepped:
    """An awaitable that hands another's suspensions on to the loop, and counts them."""

    def __init__(self, coroutine, throw_at=None, error=asyncio.CancelledError):
        self.coroutine = coroutine
        self.suspensions = 0
        self.thrown = False  # an error went in, and the coroutine has dealt with it
        self.when_told = lambda: None  # called when what it waits for is done, before it goes on
        self._throw_at, self._error = throw_at, error

    def __await__(self):
        send, value = self.coroutine.send, None
        if self._throw_at == 0:
            send, value = self._throw, self._error()
        while True:
            try:
                awaited = send(value)
            except StopIteration as ended:
                return ended.value
            self.suspensions += 1
            if self.suspensions == self._throw_at:
                send, value = self._throw, self._error()
                continue
            if hasattr(awaited, "add_done_callback"):
                # Before the task adds its own: so it is called before the task is.
                awaited.add_done_callback(self._is_told)
            try:
                send, value = self.coroutine.send, (yield awaited)
            except GeneratorExit:
                self.coroutine.close()
                raise
            except BaseException as error:
                send, value = self._throw, error

    def _is_told(self, _future):
        self.when_told()

    def _throw(self, error):
        try:
            return self.coroutine.throw(error)
        finally:
            self.thrown = True


class Stepping:
    """A task that runs a coroutine step by step; to be made in a running loop."""

    def __init__(self, coroutine, **how):
        self.steps = Stepped(coroutine, **how)
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self):
        return await self.steps

    async def suspended(self, times=1):
        """Wait until it has been suspended so often; whether it was (or is over)."""
        await until(lambda: self.steps.suspensions >= times or self.task.done())
        return self.steps.suspensions >= times

    async def over(self):
        await until(self.task.done)
        return self.task


async def begun(coroutine):
    """A task that waits already: it is suspended in there."""
    stepping = Stepping(coroutine)
    assert await stepping.suspended(), "it did not wait"
    return stepping.task
