"""What child processes do in the tests of queues and pools: importable by spawned ones."""

import os
import signal


def put_all(queue, items):
    for item in items:
        queue.put(item)


def put_all_and_stay(queue, items, conn):
    """Put them, see them into the pipe, say so, and end when told."""
    put_all(queue, items)
    queue.close()
    queue.join_thread()
    conn.send("flushed")
    conn.recv()


def get_until_none(queue, answers):
    """Get until a None comes, and say what was got."""
    got = []
    while (item := queue.get()) is not None:
        got.append(item)
    answers.send(got)


def get_one(queue, answers):
    answers.send("begun")
    answers.send(queue.get())


def finish(queue, number):
    """A worker of a JoinableQueue."""
    for _ in range(number):
        queue.get()
        queue.task_done()


def hold_for_ever(lock, said):
    with lock:
        said.send("held")
        signal.pause()


def add_in_value(value, times):
    for _ in range(times):
        with value:
            value.value += 1


def add_in_array(array, times):
    for _ in range(times):
        with array.get_lock():
            array[0] += 1


def half_done(value, said):
    with value.get_lock(), value.get_lock():
        value.value = -1
        said.send("half done")
        signal.pause()


def double(number):
    return 2 * number


def die(_=None):
    os.kill(os.getpid(), signal.SIGKILL)


def pause(_=None):
    signal.pause()
