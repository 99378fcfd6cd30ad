"""tqdm: bars of several processes on one screen, under one lock."""

import pytest
from actors import METHODS

from latchwork import patching

pytest.importorskip("tqdm", reason="tqdm is not installed: pip install latchwork[programs]")

BARS = """
import multiprocessing, os, sys
from tqdm import tqdm

method, victim = sys.argv[1:]

def begin(lock):
    tqdm.set_lock(lock)

def bar(number):
    for step in tqdm(range(100), desc=f"bar {number}", position=number, mininterval=0, ncols=60):
        if step == 50 and str(number) == victim:
            tqdm.get_lock().acquire()
            os.kill(os.getpid(), 9)

def start(number, lock):
    begin(lock)
    bar(number)

if __name__ == "__main__":
    context = multiprocessing.get_context(method)
    lock = context.RLock()
    begin(lock)
    workers = [context.Process(target=start, args=(i, lock)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    tqdm.write(str([worker.exitcode for worker in workers]))
"""


@pytest.mark.parametrize("method", METHODS)
def test_the_bars_of_several_processes_run_to_their_end(method, program):
    assert program(BARS, method, "nobody")[-1] == "[0, 0, 0]"


@pytest.mark.skipif("RLock" not in patching._ours(), reason="Latchwork has no RLock of its own yet")
@pytest.mark.parametrize("method", METHODS)
def test_a_worker_killed_while_it_draws_does_not_stop_the_others(method, program):
    assert program(BARS, method, "1")[-1] == "[0, -9, 0]"


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_with_tqdms_lock_as_its_initializer_has_it(method, program):
    source = f"""{BARS.partition("if __name__")[0]}
if __name__ == "__main__":
    context = multiprocessing.get_context(method)
    with context.Pool(2, initializer=begin, initargs=(context.RLock(),)) as pool:
        pool.map(bar, range(3))
    print("all")
"""
    assert program(source, method, "nobody") == ["all"]
