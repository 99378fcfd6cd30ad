"""``latchwork run`` beside ``flock(1)``, case by case: done for real by both; the docs have the table.

``python tests/cli_flock_table.py`` prints the table of docs/command-line-flock.md.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli_scene import LATCHWORK, PATIENCE, Holder, is_gone

from latchwork import RWLock


@dataclass(frozen=True)
class Tool:
    """One of both, with a lock of its own."""

    is_flock: bool
    place: Path

    def words(self, *options: str) -> list[str]:
        """What comes before the command."""
        if self.is_flock:
            return ["flock", *options, str(self.place / "file")]
        return [*LATCHWORK, "run", str(self.place.name), *options, "--"]

    def run(self, *options: str, command: tuple[str, ...] = ("true",)) -> str:
        done = subprocess.run(
            [*self.words(*options), *command], capture_output=True, timeout=PATIENCE
        )
        return how_it_ended(done.returncode)

    def hold(self, *options: str, script: str = Holder.SCRIPT) -> Holder:
        return Holder(whole=self.words(*options), script=script)

    def is_held(self) -> bool:
        """Whether another could not have it: by ``-n``, or what that does, which is faster."""
        if self.is_flock:
            return self.run("-n") == "exit 1"
        rw = RWLock(name=self.place.name)
        had = rw.acquire_write(block=False)
        if had:
            rw.release_write()
        return not had

    @property
    def keep(self) -> list[str]:
        return [] if self.is_flock else ["--keep"]

    @property
    def close(self) -> list[str]:
        return ["-o"] if self.is_flock else []


def how_it_ended(status: int) -> str:
    return f"exit {status}" if status >= 0 else f"dies by {signal.Signals(-status).name}"


def plain(*options: str, command: tuple[str, ...] = ("true",)) -> Callable[[Tool], str]:
    return lambda tool: tool.run(*options, command=command)


def shell(script: str) -> Callable[[Tool], str]:
    return plain(command=("sh", "-c", script))


def while_held(*options: str, by: tuple[str, ...] = ()) -> Callable[[Tool], str]:
    def scene(tool: Tool) -> str:
        with tool.hold(*by) as holder:
            holder.begun()
            return tool.run(*options)

    return scene


def no_interpreter(tool: Tool) -> str:
    script = tool.place / "script"
    script.write_text("exit 9\n")
    script.chmod(0o700)
    return tool.run(command=(str(script),))


def not_executable(tool: Tool) -> str:
    return tool.run(command=(str(tool.place),))


def within_itself(tool: Tool) -> str:
    return tool.run(command=tuple([*tool.words("-n"), "true"]))


def _after(tool: Tool, holder: Holder) -> str:
    runs = "has ended" if is_gone(holder.command) else "goes on"
    return f"command {runs}, lock {'held' if tool.is_held() else 'free'}"


def signalled(number: int, *, who: str, close: bool = False) -> Callable[[Tool], str]:
    """Either is sent a signal while the command runs."""

    def scene(tool: Tool) -> str:
        with tool.hold(*(tool.close if close else [])) as holder:
            holder.begun()
            os.kill(getattr(holder, who), number)
            ended = how_it_ended(holder.process.wait(PATIENCE))
            return f"{ended}; {_after(tool, holder)}"

    return scene


def waiting(tool: Tool) -> str:
    with tool.hold() as holder, tool.hold() as waiter:
        holder.begun()
        waiter.waits()
        os.kill(waiter.wrapper, signal.SIGTERM)
        return how_it_ended(waiter.process.wait(PATIENCE))


def successor(tool: Tool) -> str:
    """The wrapper is killed, later the command ends: when does the next one begin?"""
    with tool.hold() as holder, tool.hold() as waiter:
        holder.begun()
        waiter.waits()
        os.kill(holder.wrapper, signal.SIGKILL)
        holder.process.wait(PATIENCE)
        holder.let_end()
        waiter.begun()
        return "the next begins " + ("after" if is_gone(holder.command) else "before") + " its end"


def outlived(keep: bool = False, close: bool = False) -> Callable[[Tool], str]:
    """The command leaves a process running."""

    def scene(tool: Tool) -> str:
        options = (tool.keep if keep else []) + (tool.close if close else [])
        script = "sleep 1000 <&- >&- 2>&- & echo $!; read word"
        with tool.hold(*options, script=script) as holder:
            holder.begun()
            holder.end()
            return "held" if tool.is_held() else "free"

    return scene


def closes_all(tool: Tool) -> str:
    script = "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; echo $$; read word"
    with tool.hold(script=script) as holder:
        holder.begun()
        os.kill(holder.wrapper, signal.SIGKILL)
        holder.process.wait(PATIENCE)
        return _after(tool, holder)


@dataclass(frozen=True)
class Row:
    """A case; what flock does, and this; and why that is not the same, if so."""

    case: str
    scene: Callable[[Tool], str]
    flock: str
    ours: str = ""
    why: str = ""

    @property
    def expected(self) -> str:
        return self.ours or self.flock

    def __str__(self) -> str:
        return f"| {self.case} | {self.flock} | {self.ours or 'the same'} | {self.why} |"


OWN_STATUS = "a timeout has its own exit status, as timeout(1) has it; `-E` sets both"
DIES_AS = "a shell sees the same `$?`, and that it was a signal: Ctrl-C ends its loop"

ROWS = (
    Row("the command succeeds", plain(), "exit 0"),
    Row("the command exits with 7", shell("exit 7"), "exit 7"),
    Row(
        *("the command is killed by SIGTERM", shell("kill -TERM $$")),
        *("exit 143", "dies by SIGTERM", DIES_AS),
    ),
    Row(
        *("the command is killed by SIGKILL", shell("kill -KILL $$")),
        *(
            "exit 137",
            "dies by SIGKILL",
            "so; and the next holder is told: `LATCHWORK_ABANDONED=1`",
        ),
    ),
    Row(
        *("there is no such command", plain(command=("/no/such",))),
        *("exit 69", "exit 127", "as env(1), timeout(1) and the shells"),
    ),
    Row("the command can't be run", not_executable, "exit 69", "exit 126", "so"),
    Row("the command is a script without `#!`", no_interpreter, "exit 9"),
    Row("held; `-n`", while_held("-n"), "exit 1"),
    Row("held; `-n -E 75`", while_held("-n", "-E", "75"), "exit 75"),
    Row("held; `-w 0.1`", while_held("-w", "0.1"), "exit 1", "exit 124", OWN_STATUS),
    Row("held; `-w 0`", while_held("-w", "0"), "exit 1", "exit 124", "so"),
    Row("held; `-w 0.1 -E 75`", while_held("-w", "0.1", "-E", "75"), "exit 75"),
    Row("held by `-s`; `-s -n`", while_held("-s", "-n", by=("-s",)), "exit 0"),
    Row("held by `-s`; `-n`", while_held("-n", by=("-s",)), "exit 1"),
    Row("held; `-s -n`", while_held("-s", "-n"), "exit 1"),
    Row("the command runs the same again, with `-n`", within_itself, "exit 1"),
    Row("SIGTERM to one that waits for the lock", waiting, "dies by SIGTERM"),
    Row(
        *("SIGTERM to the wrapper alone", signalled(signal.SIGTERM, who="wrapper")),
        "dies by SIGTERM; command goes on, lock held",
        "dies by SIGTERM; command has ended, lock free",
        "signals are passed on: who stops the wrapper means the command",
    ),
    Row(
        *("SIGUSR1 to the wrapper alone", signalled(signal.SIGUSR1, who="wrapper")),
        "dies by SIGUSR1; command goes on, lock held",
        "dies by SIGUSR1; command has ended, lock free",
        "so",
    ),
    Row(
        *("`kill -9` of the command", signalled(signal.SIGKILL, who="command")),
        "exit 137; command has ended, lock free",
        "dies by SIGKILL; command has ended, lock free",
        "as above",
    ),
    Row(
        *("`kill -9` of the wrapper", signalled(signal.SIGKILL, who="wrapper")),
        "dies by SIGKILL; command goes on, lock held",
    ),
    Row(
        "`kill -9` of the wrapper, with `-o` (here: always so)",
        signalled(signal.SIGKILL, who="wrapper", close=True),
        "dies by SIGKILL; command goes on, lock free",
        "dies by SIGKILL; command goes on, lock held",
        "never do two run at a time: the command's process inherits the lock, not its children",
    ),
    Row(
        *("`kill -9` of the wrapper; the command has closed all that it did not open", closes_all),
        *("command goes on, lock free", "command goes on, lock held"),
        "what inherits is the process, not a descriptor (with `--keep`: both)",
    ),
    Row("`kill -9` of the wrapper while another waits", successor, "the next begins after its end"),
    Row(
        *("the command ends and leaves a child running", outlived()),
        *("held", "free", "held only if asked: `--keep`"),
    ),
    Row("so; with `-o` (here: always so)", outlived(close=True), "free"),
    Row("so; here with `--keep`", outlived(keep=True), "held"),
    Row(
        *("a wrong option", plain("--no-such-option")),
        *("exit 64", "exit 2", "as most commands, and all of `latchwork`'s"),
    ),
)

HEAD = ("| case | flock(1) | latchwork run | why |", "| --- | --- | --- | --- |")

if __name__ == "__main__":
    print("\n".join([*HEAD, *map(str, ROWS)]))
