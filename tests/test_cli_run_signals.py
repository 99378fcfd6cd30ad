"""`latchwork run` under signals: each reaches the command once, and it stops and ends as that does."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from cli_scene import (
    LATCHWORK,
    PATIENCE,
    Holder,
    descendant,
    is_gone,
    latchwork,
    sleeps_in,
    state_of,
    until,
)

RECORDER = [sys.executable, "-S", "-E", str(Path(__file__).with_name("cli_recorder.py"))]


@pytest.fixture
def name(tmp_path):
    return tmp_path.name


class Recorded:
    """A recorder under ``latchwork run``, not at a terminal."""

    def __init__(self, name, *words, **how):
        self.process = subprocess.Popen(
            [*LATCHWORK, "run", name, "--", *RECORDER, *words],
            stdout=subprocess.PIPE,
            text=True,
            **how,
        )
        self.command = int(self.line().removeprefix("pid "))

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        """Whatever else had reached it is said before."""
        os.kill(self.command, signal.SIGUSR2)
        rest = self.process.stdout.read().split("\n")
        assert self.process.wait(PATIENCE) == 0
        return rest


@pytest.fixture
def recorded(name):
    made = []

    def make(*words, **how):
        made.append(Recorded(name, *words, **how))
        return made[-1]

    yield make
    for each in made:
        for pid in (each.process.pid, each.command):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        each.process.communicate(timeout=PATIENCE)


def test_what_is_sent_to_the_wrapper_alone_reaches_the_command_once(recorded):
    command = recorded()
    for number in (
        *(signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGQUIT),
        *(signal.SIGALRM, signal.SIGWINCH, signal.SIGPIPE, signal.SIGABRT, signal.SIGSEGV),
    ):
        os.kill(command.process.pid, number)
        assert command.line() == f"got {number.name}"
    os.kill(command.process.pid, signal.SIGRTMIN + 3)
    assert command.line() == f"got {signal.SIGRTMIN + 3}"
    assert command.end() == ["end", ""]


def test_an_alarm_that_was_set_before_reaches_the_command(recorded):
    """As `perl -e 'alarm 5; exec @ARGV'` does; a fork inherits none."""
    command = recorded(preexec_fn=lambda: signal.setitimer(signal.ITIMER_REAL, 1.5))
    assert command.line() == "got SIGALRM"
    assert command.end() == ["end", ""]


def test_what_the_command_sends_to_its_group_comes_back_to_it_once(recorded):
    command = recorded("group", start_new_session=True)
    for _ in range(5):
        assert command.line() == "got SIGTERM"
    # After all that the wrapper would have passed on: that has a lower number.
    os.kill(command.process.pid, signal.SIGPWR)
    assert command.line() == "got SIGPWR"
    assert command.end() == ["end", ""]


def test_a_stop_and_a_continue_sent_to_the_wrapper_alone_reach_the_command(name):
    with Holder(name) as holder:
        holder.begun()
        for _ in range(3):
            os.kill(holder.wrapper, signal.SIGTSTP)
            until(lambda: state_of(holder.command) == "T", "the stop of the command")
            until(lambda: state_of(holder.wrapper) == "T", "the stop of the wrapper")
            assert latchwork("run", name, "-n", "true").returncode == 1
            os.kill(holder.wrapper, signal.SIGCONT)
            until(lambda: state_of(holder.command) != "T", "the command")
            until(lambda: state_of(holder.wrapper) != "T", "the wrapper")
        assert holder.end(4) == 4


def test_a_command_that_others_stop_and_continue_leaves_no_stopped_wrapper(name):
    """Nobody would continue that one, and it would hold the lock for ever."""
    with Holder(name) as holder:
        holder.begun()
        os.kill(holder.command, signal.SIGSTOP)
        until(lambda: state_of(holder.command) == "T", "the stop")
        os.kill(holder.wrapper, signal.SIGUSR1)  # which it passes on: it has seen the stop by then
        until(lambda: _pending(holder.command, signal.SIGUSR1), "the signal")
        assert state_of(holder.wrapper) != "T"
        os.kill(holder.command, signal.SIGCONT)
        assert holder.process.wait(PATIENCE) == -signal.SIGUSR1
    assert latchwork("run", name, "-n", "true").returncode == 0


def _pending(pid, number):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("ShdPnd:"):
            return int(line.split()[1], 16) >> (number - 1) & 1
    return 0


@pytest.fixture
def terminal(tmp_path):
    """An interactive bash at a terminal."""
    shell = pexpect.spawn(
        *("bash", ["--norc", "--noprofile", "-i"]),
        env={**os.environ, "PS1": "at-prompt> ", "TERM": "dumb", "HISTFILE": ""},
        encoding="utf-8",
        timeout=PATIENCE,
        cwd=str(tmp_path),
    )
    shell.setecho(False)
    shell.expect("at-prompt> ")
    yield shell
    shell.close(force=True)


def expect_next(terminal, text):
    """Nothing else that the recorder got comes before that."""
    terminal.expect(text)
    assert "got" not in terminal.before


def _line(*words):
    return " ".join([*LATCHWORK, "run", *words])


def test_ctrl_c_and_ctrl_backslash_reach_the_command_once(name, terminal):
    terminal.sendline(_line(name, "--", *RECORDER))
    terminal.expect(r"pid (\d+)\r\n")
    command = int(terminal.match[1])
    for key, said in (("c", "SIGINT"), ("\\", "SIGQUIT"), ("c", "SIGINT")):
        terminal.sendcontrol(key)
        expect_next(terminal, f"got {said}\r\n")
    os.kill(command, signal.SIGUSR2)
    expect_next(terminal, "end\r\n")
    expect_next(terminal, "at-prompt> ")


def test_ctrl_c_ends_the_loop_of_a_shell(name, terminal):
    """A shell's loop goes on after an exit with 130, and ends after a death by SIGINT."""
    # Not a shell, some of which lose a signal that comes just before they start what they wait for.
    once = _line(name, "--verbose", "--", "sleep 1000")
    terminal.sendline(f"for i in 1 2 3; do {once}; done")
    terminal.expect("running sleep\r\n")
    until(lambda: descendant(terminal.pid, "comm", "sleep"), "the command")
    terminal.sendcontrol("c")
    terminal.expect("at-prompt> ")
    assert "running" not in terminal.before
    terminal.sendline("echo status $?")
    terminal.expect("status 130")


def test_ctrl_c_ends_the_wait_for_the_lock(name, terminal):
    with Holder(name) as holder:
        holder.begun()
        terminal.sendline(f"for i in 1 2 3; do {_line(name, '--verbose', 'true')}; done")
        waiting = until(lambda: descendant(terminal.pid, "wchan", "futex"), "the wait")
        terminal.sendcontrol("c")
        terminal.expect("at-prompt> ")
        assert "Traceback" not in terminal.before
        assert is_gone(waiting)
        assert holder.end() == 0


def test_ctrl_z_and_fg(name, terminal):
    terminal.sendline(_line(name, "--", "cat"))
    # What is typed is echoed at once: that says nothing of the command.
    until(lambda: descendant(terminal.pid, "comm", "cat"), "the command")
    terminal.sendline("first")
    terminal.expect("first\r\n")
    terminal.sendcontrol("z")
    terminal.expect("Stopped")
    terminal.expect("at-prompt> ")
    terminal.sendline(_line(name, "--no-wait", "true") + "; echo status $?")
    terminal.expect("status 1\r\n")
    terminal.sendline("fg")
    terminal.expect("cat\r\n")
    terminal.sendline("second")
    terminal.expect("second\r\n")
    terminal.sendcontrol("d")
    terminal.expect("at-prompt> ")
    terminal.sendline("echo status $?")
    terminal.expect("status 0\r\n")


def test_a_command_that_catches_ctrl_z_is_told_once_of_it_and_of_its_end(name, terminal):
    """The wrapper stops when the command has, not before: an editor tidies the screen up first."""
    terminal.sendline(_line(name, "--", *RECORDER, "stopping"))
    terminal.expect(r"pid (\d+)\r\n")
    command = int(terminal.match[1])
    wrapper = descendant(terminal.pid, "cmdline", "latchwork.cli")
    for _ in range(3):
        terminal.sendcontrol("z")
        expect_next(terminal, "got SIGTSTP\r\n")
        expect_next(terminal, "Stopped")
        expect_next(terminal, "at-prompt> ")
        terminal.sendline("fg")
        expect_next(terminal, "got SIGCONT\r\n")
        # Another Ctrl-Z before it is quite back would stop it at once.
        until(lambda: sleeps_in(wrapper, "sigtimedwait"), "the wrapper")
    os.kill(command, signal.SIGUSR2)
    expect_next(terminal, "at-prompt> ")


def test_a_terminal_that_goes_tells_the_command_once(name, tmp_path):
    """The wrapper leads the session, and the kernel tells its leader only."""
    out = tmp_path / "out"
    pid, master = pty.fork()
    if pid == 0:
        with open(out, "wb") as file:
            os.dup2(file.fileno(), 1)
        os.execv(LATCHWORK[0], [*LATCHWORK, "run", name, "--", *RECORDER])
    command = int(until(lambda: out.exists() and out.read_text()).removeprefix("pid "))
    os.close(master)
    until(lambda: "SIGHUP" in out.read_text(), "the signal")
    os.kill(command, signal.SIGUSR2)
    assert os.waitpid(pid, 0)[1] == 0
    assert out.read_text().count("SIGHUP") == 1
