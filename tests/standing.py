"""A process that has some primitives and then waits for another: `python standing.py KIND:NAME … `.

Says `has` when it has all but the last; waits for that once a line comes, or at once if there is none,
says that it `went on`, and stays until another one comes.
"""

import signal
import sys

import latchwork


def made(word):
    kind, _, name = word.partition(":")
    return getattr(latchwork, kind)(*((1,) if kind == "Barrier" else ()), name=name)


def main():
    *owned, wanted = [None if word == "-" else made(word) for word in sys.argv[1:]]
    for primitive in owned:
        primitive.acquire()
    print("has", flush=True)
    sys.stdin.readline()
    if wanted is None:
        signal.pause()
    elif isinstance(wanted, latchwork.Event):
        wanted.wait()
    else:
        wanted.acquire()
    print("went on", flush=True)
    sys.stdin.readline()


main()
