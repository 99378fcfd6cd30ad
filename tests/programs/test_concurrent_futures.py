"""concurrent.futures, of the standard library: its pools take their locks from multiprocessing."""

import pytest
from actors import METHODS

HEAD = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

context = multiprocessing.get_context(sys.argv[1])

def keep(lock):
    global held
    held = lock

def use(number):
    with held:
        return number

def die():
    held.acquire()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("method", METHODS)
def test_the_next_pool_gets_the_lock_of_a_worker_that_was_killed(method, program):
    source = f"""{HEAD}
if __name__ == "__main__":
    lock = context.Lock()
    with ProcessPoolExecutor(2, context, keep, (lock,)) as pool:
        print(sum(pool.map(use, range(10))))
        try:
            pool.submit(die).result()
        except BrokenProcessPool:
            print("broken")
    with ProcessPoolExecutor(2, context, keep, (lock,)) as pool:
        print(sum(pool.map(use, range(10))))
"""
    assert program(source, method) == ["45", "broken", "45"]


@pytest.mark.parametrize("method", METHODS)
def test_a_lock_is_an_argument_of_a_task(method, program):
    source = f"""{HEAD}
def count(lock, number):
    with lock:
        return number

if __name__ == "__main__":
    lock = context.Lock()
    with ProcessPoolExecutor(2, context) as pool:
        print(sum(pool.map(count, [lock] * 10, range(10))))
"""
    assert program(source, method) == ["45"]
