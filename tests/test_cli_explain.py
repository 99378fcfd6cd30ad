"""`latchwork explain`: from a process that does not go on to the end of the matter."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import views_by_hand as hand

pytest.importorskip("click")
pytest.importorskip("rich")

from latchwork.cli import exits, main, source, stacks

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "waiting_processes.py")


@pytest.fixture
def explain(monkeypatch, capsys):
    """Explain a process, of views made by hand: status, standard output, standard error."""

    def run(views, pid, *words):
        monkeypatch.setattr(source, "look", lambda namespace=None: views)
        words = words or ("--no-stacks",)
        status = main(["explain", str(pid), *words])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def process():
    """Start real processes that sleep; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start():
            child = stack.enter_context(
                subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, text=True)
            )
            stack.callback(child.kill)
            child.stdout.readline()
            return child.pid

        yield start


def test_a_chain_of_four_is_told_to_its_end(explain, process):
    last = process()
    pids = [101, 102, 103, last]
    chain = hand.view(
        *(
            hand.primitive(
                "Lock",
                f"lock{number}",
                id=f"1:{number}",
                owners=(hand.owner(held, f"p{held}.py"),),
                waiters=(hand.waiter(waits, f"p{waits}.py", line=number + 10),),
            )
            for number, (waits, held) in enumerate(pairwise(pids))
        )
    )
    status, out, _ = explain([chain], 101)
    assert status == exits.OK
    sentences = [line for line in out.splitlines() if not line.startswith(" ")]
    assert sentences == [
        "pid 101 (p101.py) has waited for 2.0 s for Lock 'lock0', at /srv/p101.py:10 in work.",
        "Lock 'lock0' has been held by pid 102 (p102.py) for 3.1 s.",
        "pid 102 (p102.py) has waited for 2.0 s for Lock 'lock1', at /srv/p102.py:11 in work.",
        "Lock 'lock1' has been held by pid 103 (p103.py) for 3.1 s.",
        "pid 103 (p103.py) has waited for 2.0 s for Lock 'lock2', at /srv/p103.py:12 in work.",
        f"Lock 'lock2' has been held by pid {last} (p{last}.py) for 3.1 s.",
        f"pid {last} (p{last}.py) runs: it waits for nothing of Latchwork.",
    ]
    assert "    /srv/p103.py:40 in main" in out
    assert explain([chain], last)[1].splitlines() == [
        f"pid {last} (p{last}.py) runs: it waits for nothing of Latchwork.",
        "",
        f"pid {last} (p{last}.py) holds:",
        "  Lock 'lock2', for 3.1 s, 1 waiter",
    ]


@pytest.mark.parametrize("pids", [[101, 102], [101, 102, 103]])
@pytest.mark.parametrize(("kind", "what"), [("RLock", "Deadlock"), ("Lock", "Probable deadlock")])
def test_a_deadlock_is_the_end_and_has_its_exit_status(pids, kind, what, explain):
    for pid in pids:
        status, out, _ = explain([hand.cycle(pids, kind)], pid)
        assert status == exits.DEADLOCK
        assert out.count("has waited for") == len(pids)
        number = len(pids)
        circle = f"{what}: {number} threads of {number} processes wait for each other."
        assert f"That closes the circle.\n{circle}" in out
    read = json.loads(explain([hand.cycle(pids, kind)], 101, "--json", "--no-stacks")[1])
    assert (read["version"], read["deadlock"], read["end"]) == (1, True, [])
    (thread,) = read["threads"]
    kinds = [step["kind"] for step in thread["steps"]]
    assert kinds == ["waits", "held"] * len(pids) + ["deadlock"]


def test_who_waits_for_those_in_a_deadlock_is_told_of_it(explain):
    behind = hand.primitive(
        "Lock", "z", id="1:1", owners=(hand.owner(101),), waiters=(hand.waiter(200),)
    )
    status, out, _ = explain([hand.cycle([101, 102]), hand.view(behind)], 200)
    assert status == exits.DEADLOCK
    assert out.startswith("pid 200 (train.py) has waited for 2.0 s for Lock 'z'.")
    assert "Deadlock: 2 threads of 2 processes" in out


def test_a_timeout_opens_a_circle(explain):
    two = hand.view(
        hand.primitive(
            *("Lock", "a"),
            id="1:1",
            owners=(hand.owner(101),),
            waiters=(hand.waiter(102, until=hand.NOW + 30),),
        ),
        hand.primitive(
            "Lock", "b", id="1:2", owners=(hand.owner(102),), waiters=(hand.waiter(101),)
        ),
    )
    status, out, _ = explain([two], 101)
    assert status == exits.OK
    assert "It gives up in 30.0 s: it has a timeout." in out
    assert "What pid 101 (train.py) waits for is said above." in out


@pytest.mark.parametrize(
    ("kind", "more", "end"),
    [
        ("Event", {"state": "clear"}, "Any process may set it."),
        ("Condition", {"state": "waiting"}, "Any process may notify it."),
        ("Latch", {"state": "closed", "value": 3}, "Any process may count it down. 3 to go."),
        (
            "Barrier",
            {"state": "filling", "value": 1, "limit": 3},
            "It waits until 2 more parties are there.",
        ),
    ],
)
def test_what_anybody_may_bring_about_is_said_to_be_that(kind, more, end, explain):
    one = hand.primitive(kind, "x", id="1:1", waiters=(hand.waiter(101, wants="wait"),), **more)
    status, out, _ = explain([hand.view(one)], 101)
    assert (status, out.splitlines()[-1]) == (exits.OK, end)


def test_permits_are_had_from_anybody_or_from_any_of_those_who_hold_them(explain, process):
    waiters = (hand.waiter(101),)
    plain = hand.primitive("Semaphore", "s", id="1:1", value=0, waiters=waiters)
    assert explain([hand.view(plain)], 101)[1].endswith("Any process may release it.\n")
    holders = [process(), process()]
    owners = tuple(hand.owner(pid, thread=None) for pid in holders)
    bounded = hand.primitive(
        "BoundedSemaphore", "b", id="1:1", value=0, limit=2, owners=owners, waiters=waiters
    )
    out = explain([hand.view(bounded)], 101)[1]
    assert "Any of 2 who hold it may let it go on:" in out
    for pid in holders:
        assert f"pid {pid} (train.py) runs" in out


def test_of_a_task_that_runs_the_event_loops_stack_is_not_shown(explain, process, monkeypatch):
    pid = process()
    owner = hand.owner(pid, thread=None, task=1, exclusive=True)
    lock = hand.primitive("RLock", "x", id="1:1", owners=(owner,), waiters=(hand.waiter(101),))
    monkeypatch.setattr(stacks.Stacks, "of", lambda *_: (("/srv/loop.py:1 in select",), None))
    told = explain([hand.view(lock)], 101, "--stacks")[1].splitlines()
    assert told[-1] == f"Task 1 of pid {pid} (train.py) runs: it waits for nothing of Latchwork."


def test_what_one_does_who_holds_several_is_said_once(explain, process):
    pid = process()
    pool = hand.primitive(
        *("BoundedSemaphore", "pool"),
        id="1:1",
        value=0,
        limit=2,
        owners=(hand.owner(pid, thread=None), hand.owner(102, thread=None)),
        waiters=(hand.waiter(101),),
    )
    table = hand.primitive(
        *("RWLock", "table"),
        id="1:2",
        state="write",
        owners=(hand.owner(pid, thread=None, mode="write"),),
        waiters=(hand.waiter(102, wants="read"),),
    )
    told = explain([hand.view(pool, table)], 101)[1].splitlines()
    assert told.count(f"pid {pid} (train.py) runs: it waits for nothing of Latchwork.") == 1
    assert told[-2:] == [
        f"RWLock 'table' has been held to write by pid {pid} (train.py) for 3.1 s.",
        f"What pid {pid} (train.py) does is said above.",
    ]


def test_the_main_thread_is_told_from_others_of_its_process_that_wait(explain, process):
    pid = process()
    lock = hand.primitive(
        *("Lock", "x"), id="1:1", owners=(hand.owner(pid),), waiters=(hand.waiter(101),)
    )
    other = hand.primitive(
        *("Event", "e"), id="1:2", waiters=(hand.waiter(pid, thread=pid + 1, wants="wait"),)
    )
    out = explain([hand.view(lock, other)], 101)[1]
    assert f"Lock 'x' has been held by the main thread of pid {pid} (train.py) for" in out
    assert f"\nThe main thread of pid {pid} (train.py) runs" in out


def test_each_thread_of_a_process_is_explained(explain, process):
    pid = process()
    lock = hand.primitive(
        "Lock",
        "x",
        id="1:1",
        owners=(hand.owner(pid),),
        waiters=tuple(hand.waiter(101, thread=1010 + n, thread_name=f"T{n}") for n in range(3)),
    )
    read = json.loads(explain([hand.view(lock)], 101, "--json", "--no-stacks")[1])
    assert [one["thread"] for one in read["threads"]] == [1010, 1011, 1012]
    assert "Thread 1011 (T1) of pid 101" in explain([hand.view(lock)], 101)[1]


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_stopped_or_dead_owner_is_told_from_one_that_runs(explain, process):
    pid = process()
    lock = hand.primitive(
        "Lock", "x", id="1:1", owners=(hand.owner(pid),), waiters=(hand.waiter(101),)
    )
    os.kill(pid, signal.SIGSTOP)
    until(lambda: "T" in state(pid))
    out = explain([hand.view(lock)], 101)[1]
    assert f"but it is stopped; `kill -CONT {pid}` lets it go on." in out
    os.kill(pid, signal.SIGKILL)
    until(lambda: "Z" in state(pid))
    assert f"pid {pid} (train.py) is dead" in explain([hand.view(lock)], 101)[1]
    assert "has ended; its parent has not yet asked how" in explain([], pid)[2]


def state(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_a_pid_that_says_nothing_is_told_why(explain, process):
    status, out, error = explain(hand.busy(), 2**22 + 1)
    assert (status, out) == (exits.NO, "")
    assert error == f"latchwork: there is no process {2**22 + 1}\n"
    pid = process()
    status, _, error = explain(hand.busy(), pid)
    assert status == exits.NO
    assert f"pid {pid} (" in error
    assert "has nothing of Latchwork" in error
    status, out, _ = explain(hand.busy(), pid, "--json")
    assert (status, json.loads(out)["threads"]) == (exits.NO, [])
    assert explain([], 0)[0] == exits.USAGE
    assert explain([], "train.py")[0] == exits.USAGE


def test_a_process_of_another_user_is_said_to_be_one(explain, process, monkeypatch):
    pid = process()
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(f"/proc/{pid}").st_uid + 1)
    assert "belongs to another user" in explain([], pid)[2]


@pytest.mark.skipif(stacks.program() is None, reason="py-spy is not installed")
def test_the_stack_of_who_runs_comes_from_py_spy(explain, process):
    pid = process()
    lock = hand.primitive(
        "Lock", "x", id="1:1", owners=(hand.owner(pid),), waiters=(hand.waiter(101, line=3),)
    )
    if not os.access(f"/proc/{pid}/mem", os.R_OK):
        pytest.skip("other processes can't be read here")
    out = explain([hand.view(lock)], 101, "--stacks")[1]
    assert "waiting_processes.py" in out
    assert "in in_python" in out


def test_without_py_spy_it_says_how_to_get_it(explain, process, monkeypatch):
    lock = hand.primitive(
        "Lock", "x", id="1:1", owners=(hand.owner(process()),), waiters=(hand.waiter(101),)
    )
    monkeypatch.setattr(stacks, "program", lambda: None)
    assert explain([hand.view(lock)], 101, "--stacks")[1].count("pip install py-spy") == 2


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        ("Error: Permission Denied: try sudo\n", 1, "run `latchwork explain` as root"),
        ("Error: No such file or directory (os error 2)\n", 1, "py-spy: No such file"),
        ("Error: Failed to find python version from target process\n", 1, "it runs no Python"),
        ("", 1, "py-spy failed"),
        ("", 0, "answered in a way that is not known"),
    ],
)
def test_what_py_spy_can_not_do_is_told(said, status, told, tmp_path, monkeypatch):
    spy = tmp_path / "py-spy"
    spy.write_text(f"#!/bin/sh\nprintf '%s' '{said}' >&2\nexit {status}\n")
    spy.chmod(0o700)
    monkeypatch.setattr(stacks, "program", lambda: str(spy))
    found, problem = stacks.dump(os.getpid())
    assert found == {}
    assert told in problem


def test_py_spy_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    spy = tmp_path / "py-spy"
    spy.write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} 60\n")
    spy.chmod(0o700)
    monkeypatch.setattr(stacks, "program", lambda: str(spy))
    monkeypatch.setattr(stacks, "PATIENCE", 0.2)
    assert "no answer" in stacks.dump(os.getpid())[1]
