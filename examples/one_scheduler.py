"""A web server with several workers, exactly one of which runs the scheduled job.

    uvicorn --workers 4 --app-dir examples one_scheduler:app
    curl http://127.0.0.1:8000/
    kill -9 <the pid that holds the lock>

Every worker waits for the same named Lock in a task of its own, and serves requests meanwhile; the one
that has it leads. When the leader is killed, another one leads within milliseconds, and uvicorn replaces
the dead worker. What was done, and by whom, is in one_scheduler.log.
"""

import asyncio
import contextlib
import json
import logging
import os
import time
from pathlib import Path

import latchwork

WORK, PAUSE = 0.05, 0.05
LOG = Path("one_scheduler.log")

# The same one in every process of this user that asks for this name.
lock = latchwork.Lock(name="one_scheduler")


async def job():
    """Append a line to the log, with some work between its first half and its second."""
    with LOG.open("ab", buffering=0) as log:
        before = log.tell()
        log.write(f"{os.getpid()} began at {time.monotonic()}, ".encode())
        try:
            await asyncio.sleep(WORK)  # stands for the work
            log.write(f"ended at {time.monotonic()}\n".encode())
        except BaseException:
            # Cancelled, it takes back its half itself. Killed, it can't.
            log.truncate(before)
            raise


def repair():
    """Cut off the half line that a killed leader may have left."""
    with LOG.open("a+b") as log:
        log.seek(0)
        log.truncate(log.read().rfind(b"\n") + 1)


async def lead():
    async with lock:  # all workers but one stay here
        if lock.abandoned:  # the last leader was killed, perhaps in the middle of the job
            repair()
        while True:
            try:
                await job()
            except Exception:
                # Else a job that fails would end this leader, then the next one, and so on.
                logging.exception("the job failed")
            await asyncio.sleep(PAUSE)


@contextlib.asynccontextmanager
async def lifespan(app):
    # In a task: a worker serves nothing before its startup is over.
    async with asyncio.TaskGroup() as tasks:
        leading = tasks.create_task(lead())
        yield
        leading.cancel()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()  # startup
        async with lifespan(app):
            await send({"type": "lifespan.startup.complete"})
            await receive()  # shutdown
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        answer = json.dumps({"worker": os.getpid(), "lock": repr(lock)}) + "\n"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer.encode()})
