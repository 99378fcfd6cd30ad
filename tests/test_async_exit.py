"""A program ends, in whatever state its loops are: quietly, at once, and costs nobody anything."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.timeout(60)

# Each is run in three ways: none of them may print anything on stderr.
SCRIPTS = {
    "pending tasks when asyncio.run ends": """
        async def main():
            global tasks
            tasks = everything()
            await asyncio.sleep(0.02)
        asyncio.run(main())
    """,
    "a loop that is closed with pending tasks": """
        loop = asyncio.new_event_loop()
        async def main():
            global tasks
            tasks = everything()
            await asyncio.sleep(0.02)
        loop.run_until_complete(main())
        for task in tasks:
            task._log_destroy_pending = False
        loop.close()
    """,
    "a daemon thread that runs a loop": """
        waits = threading.Event()
        async def main():
            tasks = everything()
            waits.set()
            await asyncio.gather(*tasks)
        threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
        waits.wait()
    """,
    "a daemon thread that is woken at the end": """
        waits = threading.Event()
        async def main():
            async def again():
                while True:
                    event.clear()
                    await event.wait_async()
            task = asyncio.create_task(again())
            await asyncio.sleep(0)
            waits.set()
            await task
        threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
        waits.wait()
        def setting():
            while True:
                event.set()
        threading.Thread(target=setting, daemon=True).start()
    """,
    "sys.exit in a task": """
        async def main():
            tasks = everything()
            async with other:
                await asyncio.sleep(0.01)
                sys.exit(0)
        asyncio.run(main())
    """,
    "os._exit in a task": """
        async def main():
            tasks = everything()
            await asyncio.sleep(0)
            os._exit(0)
        asyncio.run(main())
    """,
    "a loop that is closed without its generators": """
        loop = asyncio.new_event_loop()
        async def holds():
            async with other:
                yield 1
        async def main():
            global generator
            generator = holds()
            async for _ in generator:
                break
            await event.wait_async(0.01)
        loop.run_until_complete(main())
        loop.run_until_complete(generator.aclose())
        loop.close()
    """,
    "the last handle goes before the loop": """
        async def main():
            global event, lock, condition, latch
            tasks = everything()
            await asyncio.sleep(0.01)
            del event, lock, condition, latch
            gc.collect()
            await asyncio.sleep(0.01)
        asyncio.run(main())
    """,
    "an atexit function that runs a loop": """
        def at_the_end():
            lock.release()
            async def main():
                async with lock:
                    assert await event.wait_async(0.01) is False
            asyncio.run(main())
        atexit.register(at_the_end)
        asyncio.run(event.wait_async(0.01))
    """,
    "a fork while tasks wait": """
        async def main():
            tasks = everything()
            await asyncio.sleep(0)
            pid = os.fork()
            if pid == 0:
                for task in tasks:
                    task._log_destroy_pending = False
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            event.set()
            assert await tasks[0]
        asyncio.run(main())
    """,
}

PREAMBLE = """
import asyncio, atexit, gc, os, sys, threading
import latchwork

lock, other, event, latch = latchwork.Lock(), latchwork.Lock(), latchwork.Event(), latchwork.Latch(1)
condition = latchwork.Condition()
lock.acquire()

async def wait():
    async with condition:
        await condition.wait_async()

def everything():
    waits = (event.wait_async(), lock.acquire_async(), latch.wait_async(), wait(),
             latchwork.wait_async([event, lock]), lock.acquire_async(1000))
    return [asyncio.get_running_loop().create_task(it) for it in waits]
"""


@pytest.mark.parametrize("how", [(), ("-X", "dev"), ("-W", "error")], ids=" ".join)
@pytest.mark.parametrize("what", SCRIPTS)
def test_the_end_is_quiet(what, how, arenas, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PREAMBLE + textwrap.dedent(SCRIPTS[what]))
    done = subprocess.run(
        [sys.executable, *how, str(script)],
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    # That a step was slow tells of the machine: asyncio says so under -X dev.
    err = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, done.stdout, err) == (0, "", [])
