"""patch() replaces multiprocessing's primitives; unpatch() takes it back."""

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import warnings
from multiprocessing import context, forkserver, reduction, spawn, synchronize, util

import pytest
from actors import METHODS

import latchwork
from latchwork import patching

PLACES = (multiprocessing, context, context.BaseContext, synchronize, spawn, util)
OURS = sorted(patching._ours())
KINDS = [name for name in OURS if name in patching.CLASSES]
ARGUMENTS = {"Barrier": (2,), "Array": ("i", 2), "Value": ("i",), "Pool": (1,)}


def everything():
    reducers = reduction.ForkingPickler._extra_reducers
    return [dict(vars(place)) for place in PLACES] + [dict(reducers)]


def same(one, other):
    return all(
        a.keys() == b.keys() and all(a[name] is b[name] for name in a)
        for a, b in zip(one, other, strict=True)
    )


def is_ours(primitive):
    return type(primitive).__module__.startswith("latchwork.")


@pytest.fixture
def patched():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latchwork.PatchWarning)
        latchwork.patch()
    yield
    latchwork.unpatch()


class ThirdPartys(context.SpawnContext):
    """As of a library that starts its processes in a way of its own."""


third_partys = ThirdPartys()


def test_what_latchwork_has_is_patched():
    assert {"Event", "Lock", "Manager"} <= set(OURS) <= set(patching.NAMES)


def test_unpatch_gives_back_exactly_what_was_there():
    before = everything()
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", latchwork.PatchWarning)
            latchwork.patch()
        assert not same(before, everything())
        latchwork.unpatch()
        assert same(before, everything())
    latchwork.unpatch()
    assert same(before, everything())


def test_patching_twice_is_patching_once(patched):
    once = everything()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        latchwork.patch()
    assert same(once, everything())
    latchwork.unpatch()
    assert type(multiprocessing.Lock()) is synchronize.Lock


def test_nothing_else_of_multiprocessing_is_touched():
    before = [dict(vars(place)) for place in PLACES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latchwork.PatchWarning)
        latchwork.patch()
    try:
        changed = [
            {name for name in was if vars(place)[name] is not was[name]}
            for place, was in zip(PLACES, before, strict=True)
        ]
    finally:
        latchwork.unpatch()
    wrapped = [{"get_preparation_data"}, {"spawnv_passfds"}]
    assert changed == [set(OURS), set(), set(OURS), set(KINDS), *wrapped]


@pytest.mark.parametrize("name", KINDS)
def test_every_way_to_ask_gives_ours(name, patched):
    contexts = [multiprocessing, third_partys, *map(multiprocessing.get_context, METHODS)]
    for ctx in contexts:
        assert is_ours(getattr(ctx, name)(*ARGUMENTS.get(name, ()))), ctx
    for ctx in [None, *contexts[1:]]:
        assert is_ours(getattr(synchronize, name)(*ARGUMENTS.get(name, ()), ctx=ctx))


@pytest.mark.parametrize("name", KINDS)
def test_isinstance_knows_ours_and_theirs(name, patched):
    theirs = patching._originals[name]
    arguments = ARGUMENTS.get(name, ())
    kind = getattr(synchronize, name)
    assert isinstance(getattr(multiprocessing, name)(*arguments), kind)
    assert isinstance(theirs(*arguments, ctx=multiprocessing.get_context("fork")), kind)
    assert issubclass(theirs, kind)
    assert issubclass(getattr(latchwork.primitives, name), kind)
    assert not isinstance(object(), kind)
    assert not isinstance(getattr(multiprocessing, name)(*arguments), synchronize.SemLock)
    for other in KINDS:
        derived = issubclass(patching._originals[other], theirs)
        made = getattr(multiprocessing, other)(*ARGUMENTS.get(other, ()))
        assert isinstance(made, kind) == derived


def test_a_subclass_that_a_program_makes_stays_multiprocessings(patched):
    class Mine(synchronize.Lock):
        def __init__(self):
            super().__init__(ctx=multiprocessing.get_context("fork"))

    mine = Mine()
    with mine:
        assert isinstance(mine, synchronize.Lock)
        assert isinstance(mine, Mine)
        assert isinstance(mine, synchronize.SemLock)
    assert not isinstance(latchwork.Lock(), Mine)
    assert not issubclass(latchwork.Lock, Mine)


def test_the_locks_inside_queues_and_pools_are_ours(patched):
    assert is_ours(multiprocessing.Queue()._rlock)
    assert is_ours(multiprocessing.SimpleQueue()._rlock)
    with multiprocessing.Pool(1) as pool:
        assert is_ours(pool._inqueue._rlock)
        assert pool.apply(os.getpid) > 0
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        assert is_ours(executor._call_queue._rlock)
        assert executor.submit(os.getpid).result() > 0


def test_a_primitive_outlives_the_patch(patched):
    lock = multiprocessing.Lock()
    latchwork.unpatch()
    with lock:
        assert lock.locked()


def release_and_set(lock, event, queue):
    lock.release()
    event.set()
    queue.put("done")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_was_made_before_can_still_be_sent_to_a_child(method):
    ctx = multiprocessing.get_context(method)
    lock, event, queue = made = ctx.Lock(), ctx.Event(), ctx.Queue()
    lock.acquire()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latchwork.PatchWarning)
        latchwork.patch()
    try:
        child = ctx.Process(target=release_and_set, args=made)
        child.start()
        assert queue.get(timeout=60) == "done"
        child.join()
    finally:
        latchwork.unpatch()
        forkserver._forkserver._stop()  # it would stay patched, for the tests that come after
    assert child.exitcode == 0
    assert event.is_set()
    assert lock.acquire(timeout=0)


def test_the_warning_names_exactly_what_stays_multiprocessings(run):
    source = """
import multiprocessing, sys, types, warnings
from multiprocessing import Event as flag, Lock, Manager, Process, Queue, get_context
from multiprocessing.synchronize import Lock as LockClass, SemLock
spawned = get_context("spawn").Manager
lock = Lock()
thread_lock = __import__("threading").Lock()
other = types.ModuleType("other")
other.events = multiprocessing.Event, flag
other.event = flag()
sys.modules["other"] = sys.modules["the_same"] = other
import latchwork
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    latchwork.patch()
[warning] = caught
print(warning.filename == __file__, warning.category is latchwork.PatchWarning)
print(*warning.message.bound)
print(warning.message)
latchwork.unpatch()
del LockClass, Manager, Queue, spawned, lock, other.event
warnings.simplefilter("error")
latchwork.patch()
"""
    told, names, message = run(source).splitlines()
    assert told == "True True"
    here = [name for name in names.split() if name.startswith("__main__.")]
    expected = {"LockClass", "Manager", "lock", "spawned"}
    if "Queue" in OURS:
        expected.add("Queue")
    assert {name.partition(".")[2] for name in here} == expected
    assert names.split()[len(here) :] == ["other.event"]
    assert ", ".join(names.split()) in message
    assert "Call patch() before these modules are imported" in message
    assert "python -m latchwork" in message


@pytest.mark.parametrize("name", KINDS)
def test_a_function_that_was_bound_before_gives_ours(name):
    before = [getattr(multiprocessing, name), getattr(multiprocessing.get_context("spawn"), name)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latchwork.PatchWarning)
        latchwork.patch()
    try:
        assert all(is_ours(make(*ARGUMENTS.get(name, ()))) for make in before)
    finally:
        latchwork.unpatch()
