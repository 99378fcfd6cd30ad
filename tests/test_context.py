"""`import latchwork as mp` serves as `import multiprocessing as mp`."""

import ast
import inspect
import logging
import multiprocessing
import os
import subprocess
import sys

import pytest
from actors import METHODS, SOON, pid

import latchwork
from latchwork import _code


def test_every_public_name_is_there():
    assert set(multiprocessing.__all__) <= set(latchwork.__all__)
    for name in [*multiprocessing.__all__, "context", "process", "reduction"]:
        assert hasattr(latchwork, name), name
    assert latchwork.Process is multiprocessing.Process
    with pytest.raises(AttributeError):
        latchwork.nothing_of_this_name  # noqa: B018


def test_submodules_are_handed_on():
    import multiprocessing.connection
    import multiprocessing.shared_memory

    assert latchwork.shared_memory is multiprocessing.shared_memory
    assert latchwork.connection.wait is multiprocessing.connection.wait


@pytest.mark.parametrize("method", METHODS)
def test_contexts_have_our_primitives_and_multiprocessings_processes(method):
    ctx = latchwork.get_context(method)
    assert ctx.get_start_method() == method
    assert type(ctx.Lock()) is latchwork.Lock
    assert type(ctx.Event()) is latchwork.Event
    assert ctx.Process is multiprocessing.get_context(method).Process
    assert ctx.get_context() is ctx
    assert ctx.get_context("spawn") is latchwork.get_context("spawn")
    with pytest.raises(ValueError, match="cannot find context"):
        latchwork.get_context("teleport")


@pytest.mark.parametrize("method", METHODS)
def test_pools_and_queues_of_our_contexts_work(method):
    ctx = latchwork.get_context(method)
    with ctx.Pool(2) as pool:
        assert pool.apply(pid) > 0
    for queue in (ctx.Queue(), ctx.SimpleQueue(), ctx.JoinableQueue()):
        queue.put(1)
        assert queue.get() == 1
    assert ctx.Value("i", 7).value == 7
    with ctx.RLock(), ctx.Semaphore():
        pass


def test_the_start_method_is_multiprocessings(run):
    source = """
import latchwork, multiprocessing
latchwork.set_start_method("spawn")
print(multiprocessing.get_start_method(), latchwork.get_start_method())
print(latchwork.get_context().get_start_method(), type(latchwork.get_context().Lock()).__module__)
try:
    latchwork.set_start_method("fork")
except RuntimeError as error:
    print(error)
print(latchwork.get_all_start_methods() == multiprocessing.get_all_start_methods())
"""
    lines = run(source).splitlines()
    assert lines == [
        "spawn spawn",
        "spawn latchwork.primitives.lock",
        "context has already been set",
        "True",
    ]


def test_the_functions_of_multiprocessing_are_there():
    assert latchwork.cpu_count() == multiprocessing.cpu_count()
    assert latchwork.current_process() is multiprocessing.current_process()
    assert latchwork.parent_process() is None
    assert latchwork.active_children() == multiprocessing.active_children()
    assert isinstance(latchwork.get_logger(), logging.Logger)


def test_process_runs():
    child = latchwork.Process(target=pid)
    child.start()
    child.join(SOON)
    assert child.exitcode == 0


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")]
)
def test_elsewhere_importing_says_so_in_one_sentence(system, machine):
    source = f"""
import os, sys, platform
sys.platform = {system!r}
os.uname = lambda: type("uname", (), {{"machine": {machine!r}}})
platform.machine = lambda: {machine!r}
import latchwork
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    here = f"{system} on {machine.lower()}"
    assert last == f"ImportError: Latchwork needs Linux on x86-64 or arm64, and this is {here}."


def test_importing_it_takes_no_detours():
    """Each of these takes as long as Latchwork itself, and every child that is spawned imports it."""
    source = """
import sys, multiprocessing.util
before = set(sys.modules)
import latchwork
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    detours = {"asyncio", "dataclasses", "inspect", "logging", "platform", "secrets"}
    assert not detours & set(ast.literal_eval(done.stdout))


def test_the_flags_of_code_are_those_that_inspect_knows():
    flags = {name: flag for name, flag in vars(_code).items() if name.startswith("CO_")}
    assert flags == {name: getattr(inspect, name) for name in flags}
    assert flags


def test_the_core_has_no_dependency():
    """Importing it loads nothing from outside of the standard library."""
    source = """
import sys, latchwork
latchwork.Lock()
print(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", source],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": inspect.getfile(latchwork).rpartition("/latchwork/")[0]},
    )
    names = ast.literal_eval(done.stdout)
    assert [name for name in names if not name.startswith(("_", "latchwork"))] == [], done.stderr
