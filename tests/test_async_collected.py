"""What the garbage collector may take of tasks that wait, and what not."""

import asyncio
import gc

import latchwork


def test_a_task_that_was_granted_and_that_nobody_else_keeps_goes_on():
    """asyncio itself keeps tasks weakly: the watcher stands for one that it will wake."""
    had = []

    async def use(lock):
        async with lock:
            had.append(lock.locked())

    async def main():
        lock = latchwork.Lock()
        lock.acquire()
        asyncio.create_task(use(lock))  # noqa: RUF006 (that is what this is about)
        await asyncio.sleep(0)
        gc.collect()
        lock.release()  # granted; the loop has not heard of it
        gc.collect()
        for _ in range(1000):
            if had:
                break
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert had == [True]
