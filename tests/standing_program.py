"""A program with unnamed primitives: a child waits for a Lock that it holds, another for an Event."""

import multiprocessing
import signal
import sys

import latchwork

lock = latchwork.Lock()


def take():
    lock.acquire()


def wait(event):
    event.wait()


if __name__ == "__main__":
    ctx = multiprocessing.get_context("fork")
    event = latchwork.Event()
    lock.acquire()
    children = [ctx.Process(target=take), ctx.Process(target=wait, args=(event,))]
    for child in children:
        child.start()
    print(*(child.pid for child in children), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.pause()
