"""`latchwork event`, `latch` and `barrier` in scripts; and what is said without their libraries."""

import json
import os
import signal
import subprocess
import sys

import pexpect
import pytest
from cli_scene import LATCHWORK, PATIENCE, latchwork, sleeps_in, until

from latchwork import Barrier, Event, Latch


@pytest.fixture
def name(tmp_path):
    return tmp_path.name


def start(*words):
    return subprocess.Popen(
        [*LATCHWORK, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def asleep(process):
    until(lambda: sleeps_in(process.pid, "futex"), "the wait")


def status(*words):
    done = latchwork(*words)
    assert "Traceback" not in done.stderr
    return done.returncode


def answered(*words):
    return json.loads(latchwork(*words, "--json").stdout)


def test_an_event_stays_set_when_nobody_has_it(name):
    assert status("event", "is-set", name) == 1
    assert status("event", "set", name) == 0
    assert status("event", "is-set", name) == 0
    assert status("event", "wait", name) == 0
    assert status("event", "clear", name) == 0
    assert answered("event", "is-set", name) == {"name": name, "set": False}
    assert status("event", "wait", name, "--timeout", "0.05") == 124
    assert status("event", "is-set", name, "--namespace", "other") == 1


def test_an_event_wakes_a_script_that_waits(name):
    waiter = start("event", "wait", name, "--timeout", str(PATIENCE), "--json")
    asleep(waiter)
    Event(name=name).set()
    assert json.loads(waiter.communicate(timeout=PATIENCE)[0]) == {"name": name, "set": True}
    assert waiter.returncode == 0


def test_a_script_is_silent_and_a_person_is_told(name):
    done = latchwork("event", "is-set", name)
    assert (done.stdout, done.stderr) == ("", "")
    terminal = pexpect.spawn(LATCHWORK[0], [*LATCHWORK[1:], "event", "is-set", name])
    terminal.expect("not set", timeout=PATIENCE)
    terminal.expect(pexpect.EOF, timeout=PATIENCE)
    terminal.close()
    assert terminal.exitstatus == 1


def test_a_latch_keeps_its_count_between_scripts(name):
    waiter = start("latch", "wait", name, "--count", "3")
    asleep(waiter)
    assert latchwork("latch", "count-down", name, "-c", "3").stdout == "2\n"
    assert status("latch", "wait", name, "-c", "3", "-w", "0.05") == 124
    assert answered("latch", "show", name, "-c", "3") == {"name": name, "count": 3, "left": 2}
    Latch(3, name=name).count_down()
    assert latchwork("latch", "count-down", name, "-c", "3", "--by", "5").stdout == "0\n"
    assert waiter.wait(PATIENCE) == 0
    waiter.communicate()
    other = latchwork("latch", "wait", name, "-c", "4")
    assert other.returncode == 3
    assert "made with count=3" in other.stderr
    assert status("latch", "reset", name, "-c", "3") == 0
    assert latchwork("latch", "show", name, "-c", "4").stdout == "4\n"


def test_scripts_meet_at_a_barrier(name):
    parties = [start("barrier", "wait", name, "--parties", "3") for _ in range(3)]
    said = sorted(process.communicate(timeout=PATIENCE)[0] for process in parties)
    assert said == ["0\n", "1\n", "2\n"]
    assert [process.returncode for process in parties] == [0, 0, 0]
    assert answered("barrier", "show", name, "-p", "3") == {
        "name": name,
        "parties": 3,
        "waiting": 0,
        "broken": False,
    }


def test_a_party_that_is_killed_breaks_the_barrier_until_a_reset(name):
    barrier = Barrier(3, name=name)
    parties = [start("barrier", "wait", name, "--parties", "3") for _ in range(2)]
    until(lambda: barrier.n_waiting == 2, "both")
    os.kill(parties[0].pid, signal.SIGKILL)
    _, said = parties[1].communicate(timeout=PATIENCE)
    assert parties[1].returncode == 6
    assert f"process {parties[0].pid} died" in said
    assert f"latchwork: barrier {name!r}: it is broken\n" in said
    parties[0].communicate(timeout=PATIENCE)
    assert status("barrier", "wait", name, "-p", "3") == 6
    assert latchwork("barrier", "show", name, "-p", "3").stdout == "broken\n"
    assert status("barrier", "reset", name, "-p", "3") == 0
    assert latchwork("barrier", "show", name, "-p", "3").stdout == "0\n"


def test_a_party_whose_time_runs_out_breaks_the_barrier_for_the_others(name):
    barrier = Barrier(3, name=name)
    other = start("barrier", "wait", name, "-p", "3", "--json")
    until(lambda: barrier.n_waiting == 1, "the other")
    late = latchwork("barrier", "wait", name, "-p", "3", "--timeout", "0.05")
    assert late.returncode == 124
    assert "not all came" in late.stderr
    said = json.loads(other.communicate(timeout=PATIENCE)[0])
    assert (other.returncode, said["broken"], said["timeout"]) == (6, True, False)


def test_one_that_aborts_breaks_it(name):
    assert status("barrier", "abort", name, "-p", "2") == 0
    assert status("barrier", "wait", name, "-p", "2") == 6


@pytest.mark.parametrize(
    "words",
    [
        ("event", "set"),
        ("event", "wait", "x", "--timeout", "nan"),
        ("event", "wait", "x", "--timeout", "-1"),
        ("latch", "wait", "x"),
        ("barrier", "wait", "x", "--parties", "0"),
        ("run", "x"),
        ("run", "x", "--no-wait", "--timeout", "1", "true"),
        ("run", "x", "--shared", "--semaphore", "1", "true"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_words(words):
    done = latchwork(*words)
    assert done.returncode == 2
    assert "Usage:" in done.stderr


@pytest.mark.parametrize("words", [("run",), ("event",), ("latch",), ("barrier",)])
def test_help_has_examples_and_the_exit_statuses(words):
    done = latchwork(*words, "--help")
    assert done.returncode == 0
    assert "Examples:\n" in done.stdout
    assert "Exit status" in done.stdout


# What pip leaves out without the extra, as an import sees it.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"click", "rich", "textual", "grandalf"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from latchwork.cli import main
sys.exit(main())
"""


def without_the_extra(*words):
    return subprocess.Popen(
        [sys.executable, "-c", WITHOUT, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_without_its_libraries_it_says_how_to_get_them():
    process = without_the_extra("run", "x", "--", "true")
    said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert said == ""
    assert "`latchwork run`" in told
    assert "pip install 'latchwork[cli]'" in told
    assert "Traceback" not in told


def test_a_command_whose_own_library_is_missing_says_so_too():
    code = WITHOUT.replace('{"click", "rich", "textual", "grandalf"}', '{"rich"}')
    done = subprocess.run(
        [sys.executable, "-c", code, "ls"], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert "`latchwork ls` needs libraries" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_libraries_the_tour_begins():
    process = without_the_extra("tour")
    assert process.stdout.readline().startswith("Latchwork ")
    assert process.stdout.readline() == "\n"
    assert "processes take turns" in process.stdout.readline()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
