"""`latchwork top` on a real terminal, as a person uses it."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

for library in ("textual", "pexpect"):
    pytest.importorskip(library)
terminal = pytest.importorskip("terminal")  # needs pyte
widths = importlib.import_module("latchwork.cli.columns").widths

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "showing_top.py")


def top(views, *words, interval="0.3", **more):
    command = (*terminal.python(SCRIPT, views), "top", "--interval", interval, *words)
    return terminal.Terminal(*command, **more)


def names(shown):
    """The primitives in the table, from top to bottom."""
    lines = shown.lines
    head = next((y for y, line in enumerate(lines) if line.startswith("PRIMITIVE")), len(lines))
    rows = [line.split() for line in lines[head + 1 : -1]]
    return [words[1] for words in rows if len(words) > 1]  # half a row may be drawn yet


def test_the_longest_wait_comes_first_and_keys_sort():
    with top("busy") as shown:
        shown.until_seen("8 primitives, 3 held, 6 waiters", "q Quit")
        by_wait = ["2:3", "build", "train.py:8", "gpus", "index", "ready", "tokens"]
        shown.until(lambda: names(shown) == by_wait, "longest first")
        for key, first in (("h", "gpus"), ("n", "train.py:8"), ("l", "2:3"), ("c", "train.py:8")):
            shown.send(key)
            shown.until(lambda first=first: names(shown)[:1] == [first], f"{first} first")
        shown.until_seen("⏎ Into")
        shown.send("p")  # it is the size that draws it anew, not the next look
        shown.until_seen("paused")
        for rows, columns in ((10, 60), (50, 200), (5, 30), (24, 80)):
            shown.resize(rows, columns)
            shown.until(lambda: fits(shown), f"{rows} by {columns}")
        shown.send("q")
        assert shown.end() == (0, True)


def fits(shown):
    lines = shown.lines
    wide = shown.screen.columns
    return (
        lines[0].startswith("8 primitives, 3 held")
        and lines[1].find("OWNER") == wide - 1 - widths(wide)["OWNER"]
        and [y for y, line in enumerate(lines) if "PRIMITIVE" in line] == [1]
        and "⏎ Into" in lines[-1]
    )


def test_what_is_in_a_deadlock_is_red_and_nothing_else():
    with top("deadlock") as shown:
        shown.until_seen("1 deadlock", "RLock a", "Lock build")
        red = shown.colour_of("RLock a")
        assert red in ("red", "brightred")
        assert shown.colour_of("1 deadlock") == red
        assert shown.colour_of("Lock build") not in ("red", "brightred")
        shown.kill(terminal.TERMINATE)
        assert shown.end() == (128 + terminal.TERMINATE, True)


def test_one_looks_into_one_and_back_and_at_a_part_of_all():
    with top("busy") as shown:
        shown.until_seen("Lock build", "q Quit")
        shown.send("/build" + terminal.ENTER)
        shown.until_seen("only 'build'", "⏎ Into")
        shown.send(terminal.ENTER)
        shown.until_seen("Lock 'build'  namespace default", "/srv/make.py:12 in work")
        shown.until_seen("Esc Back")
        shown.until_gone("l Longest")
        shown.send(terminal.ESCAPE)
        shown.until_seen("only 'build'")
        shown.send(terminal.ESCAPE)
        shown.until_seen("gpus")
        shown.send("/srv/train")  # letters at once, and letters that are keys
        shown.until_seen("only 'srv/train'", "RWLock train.py:8")
        shown.until_gone("gpus", "Lock build")
        shown.send(terminal.ENTER)
        shown.until_seen("⏎ Into")
        shown.send("/py:7")  # another one: what was there is chosen, and goes
        shown.until(lambda: names(shown) == [], "nothing is left")
        shown.send(terminal.ENTER)
        shown.until_seen("⏎ Into")
        shown.send("a")
        shown.until(lambda: names(shown) == ["train.py:7"], "an idle one")
        shown.send(terminal.INTERRUPT)
        assert shown.end() == (128 + signal.SIGINT, True)


def test_paused_it_does_not_look(tmp_path):
    looks = tmp_path / "looks"
    with top("changing", "--sort", "rate", LOOKS=str(looks)) as shown:
        shown.until_seen("Lock comes")
        shown.until(lambda: "1.0" in row(shown, "goes"), "the rate of what goes round")
        shown.until(lambda: names(shown)[:1] == ["goes"], "that first")
        shown.until(lambda: "0.0" in row(shown, "stays"), "none of what stays")
        shown.send("p")
        shown.until_seen("paused")
        before = looks.read_text()
        shown.send("n")  # a key is answered, a look is not made
        shown.until(lambda: names(shown) == ["comes", "goes", "stays"])
        assert looks.read_text() == before
        shown.send("p")
        shown.until_gone("paused")
        shown.until(lambda: len(looks.read_text()) > len(before), "it looks again")
        shown.kill(terminal.HANG_UP)
        assert shown.end() == (128 + terminal.HANG_UP, True)


def row(shown, name):
    return next((line for line in shown.lines if f"Lock {name}" in line), "")


def test_what_it_can_not_read_is_told_and_it_goes_on():
    with top("failing") as shown:
        shown.until_seen("no space", "Lock build")
        shown.send("q")
        assert shown.end() == (0, True)


def test_it_ends_with_its_terminal():
    with top("busy", interval="0.1") as shown:
        shown.until_seen("Lock build", "q Quit")
        shown.close()
        end = time.monotonic() + terminal.SOON
        while is_alive(shown.pid):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_an_end_that_does_not_come_is_not_waited_for():
    with top("busy", NEVER_ENDS="1") as shown:
        shown.until_seen("Lock build", "q Quit")
        shown.kill(terminal.TERMINATE)
        assert shown.end()[0] == 128 + terminal.TERMINATE


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_thousands_are_no_reason_to_be_slow():
    with top("many") as shown:
        shown.until_seen("first 500 of 3,000", "Event e00000")
        shown.send("/e02999")
        shown.until(lambda: names(shown) == ["e02999"])


def test_a_name_is_no_command_to_the_live_screen():
    with top("forced_through") as shown:
        shown.until_seen("Lock \\x1b", "q Quit")
        shown.send(terminal.ENTER)
        shown.until_seen("namespace default", "[bold]")
        assert "\x1b[2J\x1b[31m" not in shown.raw


@pytest.mark.parametrize("words", [["--once"], [], ["--json"]])
def test_into_a_pipe_it_writes_one_table(words):
    done = subprocess.run(
        (*terminal.python(SCRIPT, "changing"), "top", "--interval", "0.1", *words),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    if words == ["--json"]:
        read = json.loads(done.stdout)
        assert read["version"] == 1
        assert {one["name"]: one["rate"] for one in read["rows"]} == {"goes": 1.0, "stays": 0.0}
    else:
        head, *lines = [line.split("\t") for line in done.stdout.splitlines()]
        assert head[0] == "PRIMITIVE"
        assert {len(line) for line in lines} == {len(head)}
        assert [line[0] for line in lines] == ["Lock goes", "Lock stays"]


def standing(environment, *words):
    return subprocess.Popen(
        [sys.executable, os.path.join(HERE, "standing.py"), *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_real_processes_are_seen_to_wait_and_to_die(arenas):
    environment = {**os.environ, "LATCHWORK_DIR": str(arenas), "LATCHWORK_LOOK_AFTER": "0.1"}
    command = (sys.executable, "-m", "latchwork.cli", "top", "--interval", "0.2")
    with (
        standing(environment, "Lock:build", "-") as holder,
        standing(environment, "Lock:build") as waiter,
        terminal.Terminal(*command, LATCHWORK_DIR=str(arenas)) as shown,
    ):
        try:
            assert holder.stdout.readline() == waiter.stdout.readline() == "has\n"
            shown.until_seen("1 primitive, 1 held, 0 waiters", f"{holder.pid} (")
            waiter.stdin.write("\n")
            waiter.stdin.flush()
            shown.until_seen("1 waiter ")
            shown.send(terminal.ENTER)
            shown.until_seen(f"pid {waiter.pid} (standing.py), main thread, for", "standing.py:")
            holder.kill()
            assert waiter.stdout.readline() == "went on\n"
            shown.until_seen("abandoned once: somebody died with it")
            shown.until_gone(f"pid {holder.pid} ")
            shown.send("q")
            assert shown.end() == (0, True)
        finally:
            holder.kill()
            waiter.kill()
