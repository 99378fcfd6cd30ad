"""A process in a test whose task awaits something, then does what it is told to, until it is killed."""

import signal
import time

from party import FORK, Party, Told, call
from stepping import begun, complete, digested, until


async def _act(conn, primitive, name, args):
    try:
        result = await getattr(primitive, name)(*args)
    except Exception as error:
        result = type(error)
    conn.send(Told(result, time.monotonic(), bool(getattr(primitive, "abandoned", False))))
    while True:
        await until(conn.poll, 1000)
        if (order := conn.recv()) is None:
            return
        conn.send(call(primitive, *order))


async def _serve(conn, primitive, name, args, blocked):
    task = await begun(_act(conn, primitive, name, args))
    digested()
    conn.send("waiting")
    if blocked:
        signal.pause()  # the loop runs no more
    await task


def serve(*given):
    complete(_serve(*given), 1000)


class AwaitingParty(Party):
    """Begins to await at once; ``blocked``: from then on its loop does not run, so it is never told."""

    def __init__(self, primitive, name, *args, ctx=FORK, blocked=False):
        self.conn, served = ctx.Pipe()
        given = (served, primitive, name, args, blocked)
        self.process = ctx.Process(target=serve, args=given, daemon=True)
        self.process.start()
        served.close()
        self.pid = self.process.pid
        assert self.says() == "waiting"

    def does(self, name, *args):
        """Let its task make a call of the primitive; what came of it."""
        self.conn.send((name, *args))
        return self.says()

    def watched(self):
        """Wait until its watchers sleep: what it was woken for has been done."""
        digested(self.pid)
