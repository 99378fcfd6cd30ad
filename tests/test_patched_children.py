"""patch() reaches the children, and theirs, under every start method."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from actors import METHODS

import latchwork

TOP = """
import latchwork
latchwork.patch()
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Event, Lock, get_context
method, *others = sys.argv[1:]
lock = Lock()
ready = multiprocessing.Event()
"""


@pytest.mark.parametrize("method", METHODS)
def test_what_is_made_at_module_level_is_one_object_in_all_children(method, run):
    source = f"""{TOP}
def take():
    lock.acquire()
    ready.set()
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    child = get_context(method).Process(target=take)
    child.start()
    print(ready.wait(60), lock.acquire(timeout=60), lock.abandoned)
    child.join()
"""
    assert run(source, method) == "True True True"


@pytest.mark.parametrize("inner", METHODS)
@pytest.mark.parametrize("outer", METHODS)
def test_the_child_of_a_child_is_patched(outer, inner, run):
    source = f"""{TOP}
def start(method, target, *args):
    child = get_context(method).Process(target=target, args=args)
    child.start()
    child.join()
    assert child.exitcode == 0

def outer(inner_method):
    start(inner_method, inner)

def inner():
    made = type(Lock()), type(multiprocessing.Lock()), type(get_context("spawn").Lock())
    assert set(made) == {{latchwork.Lock}}, made
    ready.set()

if __name__ == "__main__":
    start(method, outer, *others)
    print(ready.is_set())
"""
    assert run(source, outer, inner) == "True"


@pytest.mark.parametrize("method", METHODS)
def test_an_executor_hands_a_lock_to_its_workers(method, run):
    """One that is killed with it breaks the pool, as ever; the lock comes back."""
    source = f"""{TOP}
from concurrent.futures.process import BrokenProcessPool

def keep(given):
    global held
    held = given

def use(number):
    with held:
        return number, type(held) is latchwork.Lock

def die():
    held.acquire()
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    ours = get_context(method).Lock()
    with ProcessPoolExecutor(2, get_context(method), keep, (ours,)) as pool:
        print(list(pool.map(use, range(3))))
        try:
            pool.submit(die).result(60)
        except BrokenProcessPool:
            print("broken", ours.acquire(timeout=60), ours.abandoned)
"""
    ours = [(number, True) for number in range(3)]
    assert run(source, method).splitlines() == [str(ours), "broken True True"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_after_unpatch_get_multiprocessings_own(method, run):
    source = """
import latchwork, multiprocessing, sys
def look(queue):
    queue.put(type(multiprocessing.Lock()).__module__)

if __name__ == "__main__":
    latchwork.patch()
    latchwork.unpatch()
    ctx = multiprocessing.get_context(sys.argv[1])
    queue = ctx.SimpleQueue()
    child = ctx.Process(target=look, args=(queue,))
    child.start()
    print(queue.get())
    child.join()
"""
    assert run(source, method) == "multiprocessing.synchronize"


def test_what_a_fork_server_preloads_is_patched(run, tmp_path):
    (tmp_path / "preloaded.py").write_text(
        "import os\nfrom multiprocessing import Lock\npid = os.getpid()\nlock = Lock()\n"
    )
    source = f"""{TOP}
def look(queue):
    import preloaded
    queue.put((preloaded.pid == os.getppid(), type(preloaded.Lock()), type(preloaded.lock)))

if __name__ == "__main__":
    ctx = get_context("forkserver")
    ctx.set_forkserver_preload(["preloaded"])
    queue = ctx.SimpleQueue()
    child = ctx.Process(target=look, args=(queue,))
    child.start()
    print(queue.get() == (True, latchwork.Lock, latchwork.Lock))
    child.join()
"""
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    assert run(source, "forkserver", PYTHONPATH=path) == "True"


def test_children_of_a_fork_server_that_ran_before_are_patched(run):
    source = """
import latchwork, multiprocessing
def look(queue=None):
    if queue is not None:
        queue.put(type(multiprocessing.Lock()).__module__)

if __name__ == "__main__":
    ctx = multiprocessing.get_context("forkserver")
    for patch in (False, True):
        if patch:
            latchwork.patch()
        queue = ctx.SimpleQueue()
        child = ctx.Process(target=look, args=(queue,))
        child.start()
        print(queue.get())
        child.join()
"""
    assert run(source).splitlines() == ["multiprocessing.synchronize", "latchwork.primitives.lock"]


@pytest.mark.parametrize("method", METHODS)
def test_a_child_finds_latchwork_where_its_parent_did(method, arenas, tmp_path):
    """Also where nothing but the program itself put it on the path."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(Path(latchwork.__file__).parent.parent)!r})
{TOP}
def look(queue):
    queue.put(type(Lock()).__module__)

if __name__ == "__main__":
    queue = get_context(method).SimpleQueue()
    child = get_context(method).Process(target=look, args=(queue,))
    child.start()
    print(queue.get())
    child.join()
""")
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(script), method],
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == ("latchwork.primitives.lock", "")


@pytest.mark.parametrize("method", METHODS)
def test_a_consumer_killed_in_get_does_not_stop_the_others(method, run):
    """It holds the queue's lock while it waits for something to come."""
    source = f"""{TOP}
def consume(queue, got):
    got.put(queue.get())

if __name__ == "__main__":
    ctx = get_context(method)
    queue, got = ctx.SimpleQueue(), ctx.SimpleQueue()
    first = ctx.Process(target=consume, args=(queue, got))
    first.start()
    while queue._rlock.acquire(block=False):
        queue._rlock.release()
    first.kill()
    first.join()
    second = ctx.Process(target=consume, args=(queue, got))
    second.start()
    queue.put("message")
    print(got.get())
    second.join()
"""
    assert run(source, method) == "message"


@pytest.mark.parametrize("method", METHODS)
def test_a_manager_serves_what_is_not_ours_and_its_lock_needs_no_server(method, run):
    source = f"""{TOP}
def work(lock, event, numbers):
    with lock:
        numbers.append(1)
    event.set()

if __name__ == "__main__":
    with get_context(method).Manager() as manager:
        lock, event, numbers = manager.Lock(), manager.Event(), manager.list()
        child = get_context(method).Process(target=work, args=(lock, event, numbers))
        child.start()
        print(event.wait(60), type(lock) is latchwork.Lock)
        child.join()
        print(list(numbers))
"""
    assert run(source, method).splitlines() == ["True True", "[1]"]
