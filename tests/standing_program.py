"""A program with unnamed primitives: a child waits for a Lock that it holds, another for an Event."""

import ctypes
import multiprocessing
import signal
import sys

import latchwork

PR_SET_PDEATHSIG = 1
lock = latchwork.Lock()


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def take():
    end_with_parent()
    lock.acquire()


def wait(event):
    end_with_parent()
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
