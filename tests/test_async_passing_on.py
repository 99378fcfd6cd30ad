"""What came for a task that does not go on is for others: a wake-up, and what there is to tell of it."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest
from actors import SOON
from party import Party

import latchwork

FUTEX_WAITV = "449"


def watcher(name: str) -> str:
    """What /proc says of it, unless there is none."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it may end meanwhile
            if (task / "comm").read_text() == "latchwork-wait\n":
                return (task / name).read_text()
    return ""


def watcher_sleeps() -> bool:
    return watcher("syscall").startswith(FUTEX_WAITV)


def watcher_rests() -> bool:
    """It has come back from a wake: it waits to be called, or has ended."""
    return watcher("stat").rpartition(")")[2][:2] in ("", " S")


async def until(state) -> None:
    end = time.monotonic() + SOON
    while not state():
        assert time.monotonic() < end, state.__name__
        await asyncio.sleep(0.001)


async def cancelled(task: asyncio.Task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("make", [latchwork.Lock, latchwork.RLock])
def test_the_wake_up_that_a_cancelled_task_consumed_reaches_the_next_waiter(no_net, make):
    lock = make()
    holder, waiter = Party(), Party()
    assert holder.does(lock, "acquire").result

    async def wait_and_leave():
        task = asyncio.create_task(lock.acquire_async())
        await until(watcher_sleeps)
        await cancelled(task)
        await until(watcher_rests)

    asyncio.run(wait_and_leave())
    waiter.begins(lock, "acquire")
    released = holder.does(lock, "release").when
    assert waiter.says().when - released < 1
    waiter.ends()
    holder.ends()


def test_a_write_that_a_cancelled_task_was_granted_leaves_the_next_to_be_told_of_the_death(caplog):
    rw = latchwork.RWLock()
    writer = Party()
    assert writer.does(rw, "acquire_write").result

    async def granted_and_cancelled():
        task = asyncio.create_task(rw.acquire_write_async())
        await until(watcher_sleeps)
        writer.gone()
        end = time.monotonic() + SOON
        while rw._writer_pid() != os.getpid():  # without the loop, which would let the task go on
            assert time.monotonic() < end
        await cancelled(task)

    asyncio.run(granted_and_cancelled())
    assert rw.abandoned
    with rw.write():
        assert rw.abandoned
    assert not rw.abandoned
