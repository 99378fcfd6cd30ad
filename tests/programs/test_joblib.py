"""joblib: both of its backends with processes."""

import os

import pytest

pytest.importorskip("joblib", reason="joblib is not installed: pip install latchwork[programs]")

HEAD = """
import multiprocessing, os, sys
from joblib import Parallel, delayed

backend = sys.argv[1]
lock = multiprocessing.Lock()

def use(given, number):
    with given:
        return number

def die(given):
    given.acquire()
    os.kill(os.getpid(), 9)
"""
PLAIN = os.environ.get("LATCHWORK_PLAIN") == "1"
BACKENDS = ("multiprocessing", "loky")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lock_is_an_argument_like_any_other(backend, program):
    source = f"""{HEAD}
if __name__ == "__main__":
    print(Parallel(2, backend=backend)(delayed(use)(lock, i) for i in range(9)))
"""
    assert program(source, backend) == [str(list(range(9)))]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_global_lock_is_the_same_one_in_the_workers(backend, program):
    source = f"""{HEAD}
def held(number):
    return lock.acquire(block=False)

if __name__ == "__main__":
    with lock:
        print(Parallel(2, backend=backend)(delayed(held)(i) for i in range(3)))
"""
    assert program(source, backend) == ["[False, False, False]"]


def test_loky_after_a_worker_was_killed_with_the_lock(program):
    source = f"""{HEAD}
from joblib.externals.loky.process_executor import TerminatedWorkerError

if __name__ == "__main__":
    try:
        Parallel(2, backend=backend)([delayed(die)(lock)])
    except TerminatedWorkerError:
        print("joblib says so")
    print(Parallel(2, backend=backend)(delayed(use)(lock, i) for i in range(9)))
"""
    assert program(source, "loky") == ["joblib says so", str(list(range(9)))]


def test_the_pool_goes_on_after_its_idle_workers_were_killed(program):
    """One of them waits for work with the lock of the queue in its hand."""
    source = f"""{HEAD}
def pid(_):
    return os.getpid()

if __name__ == "__main__":
    with Parallel(2, backend=backend) as parallel:
        workers = set(parallel(delayed(pid)(i) for i in range(20)))
        while parallel._backend._pool._inqueue._rlock.acquire(block=False):
            parallel._backend._pool._inqueue._rlock.release()
        doomed = multiprocessing.active_children()
        for worker in doomed:
            worker.kill()
        for worker in doomed:
            worker.join()
        others = set(parallel(delayed(pid)(i) for i in range(20)))
        print(bool(others), others & workers)
"""
    assert program(source, "multiprocessing") == ["True set()"]


def test_the_others_get_the_lock_of_a_pool_worker_that_was_killed(program):
    """What the dead one was doing is lost, which multiprocessing's pool does not notice."""
    source = f"""{HEAD}
import threading

said, say = os.pipe()

def work(number):
    if number == 0:
        die(lock)
    os.write(say, b"%d" % use(lock, number))

def run():
    Parallel(2, backend=backend, pre_dispatch="all", batch_size=1)(
        delayed(work)(i) for i in range(6))

if __name__ == "__main__":
    threading.Thread(target=run, daemon=True).start()
    print(sorted(os.read(said, 1) for _ in range(5)), flush=True)
    os._exit(0)
"""
    assert program(source, "multiprocessing") == [str([b"1", b"2", b"3", b"4", b"5"])]


@pytest.mark.skipif(PLAIN, reason="about what Latchwork does not reach")
def test_loky_has_its_own_primitives_inside_and_workers_that_nobody_patched(program):
    """What patch() does not reach; a worker can call it, as its initializer or in a task."""
    source = f"""{HEAD}
import latchwork
from joblib.externals.loky.backend import get_context

def kind():
    import multiprocessing
    return type(multiprocessing.Lock()).__module__

def patch_first():
    latchwork.patch()
    return kind()

if __name__ == "__main__":
    print(type(get_context("loky").Lock()).__module__)
    print(*Parallel(2, backend=backend)([delayed(kind)()] * 2))
    print(*Parallel(2, backend=backend)([delayed(patch_first)()] * 2))
    print(*Parallel(2, backend=backend, initializer=latchwork.patch)([delayed(kind)()] * 2))
"""
    inside, untouched, *patched = program(source, "loky")
    assert inside == "joblib.externals.loky.backend.synchronize"
    assert set(untouched.split()) == {"multiprocessing.synchronize"}
    assert [set(line.split()) for line in patched] == [{"latchwork.primitives.lock"}] * 2
