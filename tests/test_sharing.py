"""An object is the same object in every process, however it got there."""

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import subprocess
import sys

import actors
import pytest
from actors import METHODS, SOON, heard, set_it, set_module_level, take, try_once

import latchwork


@pytest.fixture(params=METHODS)
def ctx(request):
    return latchwork.get_context(request.param)


@pytest.fixture
def lock():
    return latchwork.Lock()


def same_lock(ask, lock):
    """`ask` tries the lock in another process."""
    assert ask() is True
    with lock:
        assert ask() is False
    assert ask() is True


def test_as_an_argument_of_a_process(ctx, lock):
    lock.acquire()
    said, saying = ctx.Pipe()
    child = ctx.Process(target=take, args=(lock, saying))
    child.start()
    assert heard(said) == "waiting"
    assert not said.poll(0.05)
    lock.release()
    assert heard(said)[0] is True
    child.join(SOON)


def test_as_an_argument_of_a_pool(ctx, lock):
    with ctx.Pool(1) as pool:
        same_lock(lambda: pool.apply(try_once, (lock,)), lock)
        same_lock(lambda: pool.map(try_once, [lock])[0], lock)


def test_as_an_argument_of_an_executor(ctx, lock):
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=ctx) as executor:
        same_lock(lambda: executor.submit(try_once, lock).result(SOON), lock)


@pytest.mark.parametrize("method", METHODS)
def test_in_multiprocessings_own_contexts(method, lock):
    with multiprocessing.get_context(method).Pool(1) as pool:
        same_lock(lambda: pool.apply(try_once, (lock,)), lock)


def test_through_a_queue_and_a_pipe_inside_of_other_objects(ctx, lock):
    queue = ctx.Queue()
    queue.put({"nested": [lock]})
    same = queue.get(timeout=SOON)["nested"][0]
    here, there = ctx.Pipe()
    here.send((lock,))
    again = there.recv()[0]
    with lock:
        assert not try_once(same)
        assert not try_once(again)
    queue.close()
    queue.join_thread()


def test_a_copy_is_the_same_object(lock):
    for other in (copy.copy(lock), copy.deepcopy([lock])[0], pickle.loads(pickle.dumps(lock))):
        with lock:
            assert not try_once(other)
        assert try_once(other)


ASK = """
import pickle, sys
lock = pickle.load(sys.stdin.buffer)
print(lock.acquire(timeout=0.05))
"""


def test_pickled_to_an_unrelated_process(lock):
    def ask():
        done = subprocess.run(
            [sys.executable, "-c", ASK], input=pickle.dumps(lock), capture_output=True, check=True
        )
        return done.stdout.strip() == b"True"

    assert ask()
    with lock:
        assert not ask()


def test_a_named_lock_is_one_in_unrelated_processes():
    lock = latchwork.Lock(name="build ü/"[:-1])
    source = "import latchwork; print(latchwork.Lock(name='build ü').acquire(timeout=0.05))"

    def ask():
        return subprocess.run(
            [sys.executable, "-c", source], capture_output=True, check=True
        ).stdout.strip()

    with lock:
        assert ask() == b"False"
    assert ask() == b"True"


def test_namespaces_keep_names_apart():
    one, other = latchwork.Lock(name="n"), latchwork.Lock(name="n", namespace="elsewhere")
    with one:
        assert try_once(other)
        assert not try_once(latchwork.Lock(name="n"))
    assert (one.name, one.namespace, other.namespace) == ("n", "default", "elsewhere")


@pytest.mark.parametrize(
    "name", ["a", "x" * 200, "ü" * 200, "😀" * 200, "a b\n\t'\"", ".", "..", "-"]
)
def test_names_of_any_text(name):
    event = latchwork.Event(name=name, namespace=name)
    assert event.name == name
    latchwork.Event(name=name, namespace=name).set()
    assert event.is_set()
    event.unlink()


def test_a_module_level_object_is_one_in_the_whole_program(ctx):
    actors.at_module_level.clear()
    actors.InClassBody.event.clear()
    child = ctx.Process(target=set_module_level)
    child.start()
    assert actors.at_module_level.wait(SOON)
    assert actors.InClassBody.event.wait(SOON)
    child.join(SOON)


def test_several_made_at_one_place_are_told_apart(ctx):
    child = ctx.Process(target=actors.hold_several)
    child.start()
    end = SOON
    while not (actors.several[1].locked() and actors.several[2].locked()):
        end -= 0.01
        assert end > 0
        child.join(0.01)
    assert not actors.several[0].locked()
    child.kill()
    child.join()


def test_made_in_a_function_each_is_a_new_one():
    def make():
        return latchwork.Lock()

    one, other = make(), make()
    with one:
        assert try_once(other)


SCRIPT = """
import sys
import latchwork as mp

ready = mp.Event()
gates = [mp.Lock() for _ in range(2)]

def work():
    ready.set()

if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    children = [mp.Process(target=work) for _ in range(2)]
    for child in children:
        child.start()
    print(ready.wait(20))
    for child in children:
        child.join()
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_global_event_of_a_script_just_works(run, method):
    assert run(SCRIPT, method) == "True"


@pytest.mark.parametrize("method", METHODS)
def test_a_global_event_of_a_package_run_with_m_just_works(tmp_path, arenas, method):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "main.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "package.main", method],
        cwd=tmp_path,
        env={**os.environ, "LATCHWORK_DIR": str(arenas), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "True", done.stderr


POOL = """
import sys
import latchwork as mp

gate = mp.Lock()

def work(_):
    return gate.acquire(block=False)

if __name__ == "__main__":
    with gate, mp.get_context(sys.argv[1]).Pool(2) as pool:
        print(any(pool.map(work, range(8))))
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_global_lock_of_a_script_excludes_its_pool_workers(run, method):
    assert run(POOL, method) == "False"


CHANGED_KEY = SCRIPT.replace(
    "    children = [", "    mp.current_process().authkey = b'changed'\n    children = ["
)


@pytest.mark.parametrize("method", METHODS)
def test_a_changed_authkey_changes_nothing(run, method):
    assert run(CHANGED_KEY, method) == "True"


PRELOAD = """
import sys
import latchwork as mp

def work(_):
    import preloaded
    return preloaded.event.wait(20) and not preloaded.lock.acquire(block=False)

if __name__ == "__main__":
    if sys.argv[1] == "before":
        import preloaded
    mp.set_start_method("forkserver")
    mp.set_forkserver_preload(sys.argv[2:])
    with mp.Pool(2) as pool:
        import preloaded
        preloaded.lock.acquire()
        preloaded.event.set()
        print(all(pool.map(work, range(4))))
"""


@pytest.mark.parametrize("modules", [["preloaded"], ["__main__", "preloaded"], []])
@pytest.mark.parametrize("imported", ["before", "after"])
def test_what_a_fork_server_preloads_is_one_object_too(run, tmp_path, imported, modules):
    (tmp_path / "preloaded.py").write_text(
        "import latchwork\nlock = latchwork.Lock()\nevent = latchwork.Event()\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    assert run(PRELOAD, imported, *modules, PYTHONPATH=path) == "True"


FIXED_KEY = """
import multiprocessing
multiprocessing.current_process().authkey = b'the same in two programs'
import latchwork
ready = latchwork.Event()
if __name__ == "__main__":
    print(ready.is_set(), flush=True)
    ready.set()
    input()
"""


def test_two_programs_with_one_authkey_stay_two(tmp_path, arenas):
    script = tmp_path / "program.py"
    script.write_text(FIXED_KEY)
    environment = {**os.environ, "LATCHWORK_DIR": str(arenas)}
    programs = []
    for _ in range(2):
        program = subprocess.Popen(
            [sys.executable, str(script)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        programs.append(program)
        assert program.stdout.readline() == "False\n"
    for program in programs:
        program.communicate("\n", timeout=SOON)


FALL_OFF = """
import sys
import latchwork as mp

def work(lock, number):
    with lock, open(sys.argv[2], "a") as out:
        out.write(f"{number}\\n")

if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    lock = mp.Lock()
    for number in range(10):
        mp.Process(target=work, args=(lock, number)).start()
"""


@pytest.mark.parametrize("ending", ["", "    del lock\n", "    import os; os._exit(0)\n"])
@pytest.mark.parametrize("method", METHODS)
def test_children_run_although_their_parent_ended(run, tmp_path, method, ending):
    out = tmp_path / "out"
    run(FALL_OFF + ending, method, str(out))
    for _ in range(int(SOON * 100)):
        lines = out.read_text().split() if out.exists() else []
        if len(lines) == 10:
            break
        import time

        time.sleep(0.01)
    assert sorted(map(int, lines)) == list(range(10))


def test_the_sender_may_drop_its_handle_at_once(ctx):
    said, saying = ctx.Pipe()
    child = ctx.Process(target=take, args=(latchwork.Lock(), saying))
    child.start()
    assert heard(said) == "waiting"
    assert heard(said)[0] is True
    child.join(SOON)


def test_events_cross_every_start_method(ctx):
    event = latchwork.Event()
    child = ctx.Process(target=set_it, args=(event,))
    child.start()
    assert event.wait(SOON)
    child.join(SOON)
