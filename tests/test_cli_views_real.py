"""The commands that show, of real processes that hold and wait."""

import contextlib
import fnmatch
import json
import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

import latchwork.inspect
from latchwork.cli import exits, main

RUN = (sys.executable, "-m", "latchwork.cli", "run")
HERE = os.path.dirname(os.path.abspath(__file__))
SOON = 30.0


@pytest.fixture
def show(arenas, monkeypatch, capsys):
    """Run a command on what the processes of this test have: status and standard output."""
    monkeypatch.setenv("LATCHWORK_DIR", str(arenas))

    def run(*words):
        status = main([str(word) for word in words])
        return status, capsys.readouterr().out

    return run


@pytest.fixture
def start(arenas):
    """Start a script, by a command if one is given; it is killed with the test."""
    environment = {**os.environ, "LATCHWORK_DIR": str(arenas), "LATCHWORK_LOOK_AFTER": "0.1"}
    with contextlib.ExitStack() as stack:

        def start(script, *words, by=(), says=True):
            command = [sys.executable, os.path.join(HERE, script), *words] if script else []
            child = stack.enter_context(
                subprocess.Popen(
                    [*by, *command],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(child.kill)
            child.said = child.stdout.readline().split() if says else []
            return child

        yield start


def go_on(*children):
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()


def until_waiting(number, *, in_lines=True):
    """Until so many wait, and it is known in which line, if they are to have one."""
    end = time.monotonic() + SOON
    while True:
        views = latchwork.inspect.views()
        waiters = [who for view in views for one in view.primitives for who in one.waiters]
        noted = all(who.stack if in_lines else who.thread_name for who in waiters)
        if len(waiters) == number and noted:
            return
        assert time.monotonic() < end, waiters
        time.sleep(0.02)


def chain(start, kind, names, *, closed):
    """Each has one and waits for the next one's; the last for nothing, or for that of the first."""
    following = [*names[1:], names[0] if closed else None]
    children = [
        start("standing.py", f"{kind}:{name}", f"{kind}:{wanted}" if wanted else "-")
        for name, wanted in zip(names, following, strict=True)
    ]
    go_on(*children)
    until_waiting(len(names) - (not closed))
    return children


def test_a_chain_of_four_processes(start, show):
    children = chain(start, "Lock", "abcd", closed=False)
    pids = [child.pid for child in children]
    status, out = show("ls")
    rows = [line.split("\t") for line in out.splitlines()[1:]]
    assert status == exits.OK
    assert [row[:4] for row in rows] == [["Lock", name, "default", "held"] for name in "abcd"]
    assert [row[4] for row in rows] == [f"{pid} (standing.py)" for pid in pids]
    assert [row[6] for row in rows] == ["0", "1", "1", "1"]
    status, out = show("show", "b")
    assert f"pid {pids[1]} (standing.py), main thread, for" in out
    assert f"pid {pids[0]} (standing.py), main thread, for" in out
    assert "standing.py:" in out
    assert " in main" in out
    status, out = show("graph")
    assert status == exits.OK
    assert out.startswith(f"standing.py {pids[3]}\n└── holds, for ")
    status, out = show("explain", pids[0], "--no-stacks")
    assert status == exits.OK
    assert out.count("has waited for") == 3
    assert f"pid {pids[3]} (standing.py) runs: it waits for nothing of Latchwork." in out


@pytest.mark.parametrize(
    ("kind", "names", "certain"), [("RLock", "ab", True), ("Lock", "abc", False)]
)
def test_a_deadlock(kind, names, certain, start, show):
    children = chain(start, kind, names, closed=True)
    status, out = show("graph", "--json")
    assert status == exits.DEADLOCK
    (deadlock,) = json.loads(out)["deadlocks"]
    assert deadlock["certain"] is certain
    assert deadlock["nodes"] == sorted(f"thread:{one.pid}:{one.pid}" for one in children)
    assert "standing.py:" in deadlock["told"]
    for child in children:
        status, out = show("explain", child.pid, "--no-stacks")
        assert status == exits.DEADLOCK
        assert out.count("has waited for") == len(names)
    assert {line.split("\t")[3] for line in show("ls")[1].splitlines()[1:]} == {"deadlock"}
    children[0].kill()
    children[0].wait()
    assert children[-1].stdout.readline() == "went on\n"
    assert show("graph")[0] == exits.OK


def test_what_a_program_has_without_a_name(start, show):
    program = start("standing_program.py")
    until_waiting(2)
    taking, waiting = map(int, program.said)
    place = "standing_program.py:11"
    rows = [line.split("\t") for line in show("ls")[1].splitlines()[1:]]
    assert {row[2] for row in rows} == {f"{program.pid} (standing_program.py)"}
    (lock,) = [row for row in rows if row[0] == "Lock"]
    assert lock[1].endswith(place)
    assert lock[4] == f"{program.pid} (standing_program.py)"
    assert f"pid {taking} (" in show("show", place)[1]
    out = show("explain", waiting, "--no-stacks")[1]
    assert out.rstrip().endswith("Any process may set it.")
    out = show("explain", taking, "--no-stacks")[1]
    assert f"pid {program.pid} (standing_program.py) runs" in out
    assert show("explain", os.getpid())[0] == exits.NO


def test_a_dead_owner_leaves_the_chain(start, show):
    holder = start("standing.py", "Lock:a", "-")
    waiter = start("standing.py", "Lock:a")
    go_on(waiter)
    until_waiting(1)
    holder.kill()
    holder.wait()
    assert waiter.stdout.readline() == "went on\n"
    assert show("graph")[1] == "nobody waits\n"


def test_the_name_of_what_is_held_or_awaited_stays_unless_forced(start, show):
    holder = start("standing.py", "Lock:a", "-")
    waiter = start("standing.py", "Event:e")
    go_on(waiter)
    until_waiting(1)
    for name, users, kind in (("a", "owners", "Lock"), ("e", "waiters", "Event")):
        status, out = show("rm", "--json", name)
        assert status == exits.NO
        (found,) = json.loads(out)["in_use"]
        assert found["kind"] == kind
        assert [one["pid"] for one in found[users]] == [{"a": holder, "e": waiter}[name].pid]
        assert latchwork.inspect.find(name)
        assert show("rm", "--force", name)[0] == exits.OK
        assert not latchwork.inspect.find(name)


def test_a_chain_goes_on_in_the_command_of_latchwork_run(start, show):
    inner = start("standing.py", "Lock:inner", "-")
    outer = start("standing.py", "Lock:inner", by=(*RUN, "outer", "--"))
    go_on(outer)
    until_waiting(1)
    waiter = start(None, by=(*RUN, "outer", "--", "true"), says=False)
    until_waiting(2, in_lines=False)
    (name,) = [one for one in latchwork.inspect.find("inner")[0].waiters]
    out = show("explain", waiter.pid, "--no-stacks")[1]
    sentences = [
        f"pid {waiter.pid} (latchwork run) has waited for * to write RWLock 'outer'.",
        f"RWLock 'outer' has been held to write by pid {outer.pid} (latchwork run) for *.",
        f"pid {outer.pid} (latchwork run) runs a command, and ends with it: pid {name.pid} (*).",
        f"pid {name.pid} (standing.py) has waited for * for Lock 'inner', at *standing.py:* in main.",
        f"Lock 'inner' has been held by pid {inner.pid} (standing.py) for *.",
        f"pid {inner.pid} (standing.py) runs: it waits for nothing of Latchwork.",
    ]
    told = [line for line in out.splitlines() if not line.startswith(" ")]
    assert len(told) == len(sentences)
    for line, sentence in zip(told, sentences, strict=True):
        assert fnmatch.fnmatchcase(line, sentence)
    outer.kill()
    outer.wait()
    assert f"pid {name.pid} (standing.py), to write, for" in show("show", "outer")[1]


def test_the_lock_of_a_condition_is_told_as_that_and_goes_with_its_name(start, show, run):
    holder = start("standing.py", "Condition:news", "-")
    waiter = start("standing.py", "Condition:news")
    go_on(waiter)
    until_waiting(1)
    shown = run("import latchwork; print(latchwork.Condition(name='news')._lock)")
    assert shown.startswith(f"<RLock of Condition 'news' held by pid {holder.pid} (standing.py)")
    assert "RLock of Condition 'news'" in show("explain", waiter.pid, "--no-stacks")[1]
    assert "RLock\tof news\tdefault\theld" in show("ls")[1]
    status, out = show("rm", "--json", "news")
    assert status == exits.NO
    assert {one["title"] for one in json.loads(out)["in_use"]} == {"RLock of Condition 'news'"}
    assert show("rm", "--force", "news")[0] == exits.OK
    left = [one.title for view in latchwork.inspect.views() for one in view.primitives]
    assert not any("news" in title or "the lock" in title for title in left)
