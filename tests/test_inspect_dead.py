"""The dead neither hold nor wait, and their places among the waiters are used again."""

import os
import signal

from looking_on import LONG, same_for_all, thread, waiters
from party import Party
from remote import until

import latchwork
from latchwork import program


def test_the_killed_do_not_wait(outsider):
    event = latchwork.Event()
    parties = [Party().begins(event, "wait") for _ in range(3)]
    waiters(event, 3)
    parties[1].gone()  # not reaped
    seen = same_for_all(event, outsider).waiters
    assert {who.pid for who in seen} == {parties[0].pid, parties[2].pid}
    event.set()
    for party in parties:
        party.process.kill()
        party.process.join()


MET_ON_A_THREAD = """
import os, subprocess, sys, time
import latchwork
CHILD = '''
import threading
import latchwork
def use():
    lock, event = latchwork.Lock(name="l"), latchwork.Event(name="e")
    lock.acquire()
    print("held", flush=True)
    event.wait()
worker = threading.Thread(target=use)
worker.start()
worker.join()
'''
child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
child.stdout.readline()
lock, event = latchwork.Lock(name="l"), latchwork.Event(name="e")
end = time.monotonic() + 30
while not event.statistics().waiters:
    assert time.monotonic() < end
assert lock.statistics().owner.pid == child.pid
child.kill()
child.wait()
print(lock.statistics().owners, event.statistics().waiters)
"""


def test_one_whose_death_the_kernel_does_not_tell_is_seen_dead_by_its_number(run):
    """It met us on a thread: no robust mutex of its main thread is in the arena."""
    assert run(MET_ON_A_THREAD) == "() ()"


def test_the_places_of_the_killed_are_used_again():
    event = latchwork.Event()
    arena = program.places()[0].path

    def one_is_killed():
        pid = os.fork()
        if pid == 0:
            event.wait()
            os._exit(0)
        until(lambda: [who.pid for who in event.statistics().waiters] == [pid])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    one_is_killed()
    before = os.stat(arena).st_blocks
    for _ in range(150):
        one_is_killed()
    assert os.stat(arena).st_blocks == before


def test_the_places_of_threads_are_used_again():
    event = latchwork.Event()
    arena = program.places()[0].path
    with thread(event.wait, LONG):
        waiters(event, 1)
        event.set()
    event.clear()
    before = os.stat(arena).st_blocks
    for _ in range(300):
        with thread(event.wait, LONG):
            waiters(event, 1)
            event.set()
        event.clear()
    assert os.stat(arena).st_blocks == before
