"""A child of a running loop has none of its parent's waits, and takes nothing from them."""

import asyncio
import os

import pytest
from actors import SOON, heard
from party import FORK, Party
from stepping import begun, complete, until
from test_async_loops import contend, wait_in_vain

import latchwork

pytestmark = pytest.mark.timeout(60)


def in_child(lock, event, said):
    """What a forked child does: wait in a loop of its own for what its parent's tasks wait for."""

    async def main():
        said.send("waiting")
        got = await lock.acquire_async()
        lock.release()
        return got, await event.wait_async()

    said.send(complete(main()))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_a_running_loop_has_its_own_waits(method, no_net):
    """Parent and child wait for the same; both get it."""
    lock, event = latchwork.Lock(), latchwork.Event()
    ctx = latchwork.get_context(method)

    async def main():
        assert lock.acquire()
        waits = [await begun(lock.acquire_async()), await begun(event.wait_async())]
        said, saying = ctx.Pipe()
        child = ctx.Process(target=in_child, args=(lock, event, saying))
        child.start()
        await until(said.poll)
        assert said.recv() == "waiting"
        lock.release()
        assert await waits[0]
        lock.release()
        event.set()
        assert await waits[1]
        await until(said.poll)
        assert said.recv() == (True, True)
        await until(lambda: child.exitcode is not None)
        assert child.exitcode == 0

    complete(main())


def test_os_fork_in_a_running_loop_leaves_the_parents_waits_alone(no_net):
    """The child ends at once, goes on with a new loop, or is killed: nothing of it is the parent's."""
    lock, event = latchwork.Lock(), latchwork.Event()
    holder = Party()
    holder.does(lock, "acquire")

    async def main():
        waits = [await begun(lock.acquire_async()), await begun(event.wait_async())]
        for how in ("ends", "waits", "is killed"):
            pid = os.fork()
            if pid == 0:
                in_fork(how, event)
            await until(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0])
            assert not any(wait.done() for wait in waits)
        holder.does(lock, "release")
        assert await waits[0] is True
        event.set()
        assert await waits[1] is True
        lock.release()

    complete(main())


def in_fork(how, event):
    """Never returns."""
    code = 1
    try:
        if how == "waits":
            asyncio._set_running_loop(None)
            complete(wait_in_vain(event))
            complete(contend(latchwork.Lock(), 5))
        elif how == "is killed":
            os.kill(os.getpid(), 9)
        code = 0
    finally:
        os._exit(code)


def test_a_forked_childs_end_gives_back_only_what_it_had(no_net):
    """The parent has a lock in a task; its child, which has not, is killed."""
    lock = latchwork.Lock()

    async def main():
        async with lock:
            pid = os.fork()
            if pid == 0:
                os.kill(os.getpid(), 9)
            os.waitpid(pid, 0)
            assert Party().does(lock, "acquire", True, 0.1).result is False

    complete(main())


def wait_and_fork(event, said):
    async def main():
        waiting = await begun(event.wait_async())
        if os.fork() == 0:
            os._exit(0)
        said.send("forked")
        assert await waiting
        return "woken"

    said.send(complete(main()))


def test_a_party_that_has_forked_is_woken_all_the_same(no_net):
    event = latchwork.Event()
    said, saying = FORK.Pipe()
    process = FORK.Process(target=wait_and_fork, args=(event, saying))
    process.start()
    assert heard(said) == "forked"
    event.set()
    assert heard(said) == "woken"
    process.join(SOON)
