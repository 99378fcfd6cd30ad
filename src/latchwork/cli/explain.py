"""``latchwork explain``: why a process does not go on."""

import os
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from latchwork.cli import describe, exits, source
from latchwork.cli.ages import age
from latchwork.cli.chains import Chains, Step
from latchwork.cli.frames import own
from latchwork.cli.output import console, json_option, printable, write, write_json
from latchwork.cli.processes import process
from latchwork.cli.stacks import Stacks
from latchwork.inspect import Member, Statistics, View, graph

STYLES = {
    "deadlock": "bold red",
    "runs": "green",
    "stopped": "yellow",
    "dead": "yellow",
    "timeout": "cyan",
    "anybody": "cyan",
    "passing": "green",
    "above": "dim",
    "command": "cyan",
}


@click.command("explain")
@click.argument("pid", type=click.IntRange(min=1))
@click.option(
    "--stacks/--no-stacks",
    default=True,
    help="Ask py-spy, if it is installed, for stacks that Latchwork does not know.",
)
@json_option
def command(pid: int, stacks: bool, as_json: bool) -> int:
    """Say why a process does not go on: what it waits for, who holds that, and so on to the end.

    Each of its threads that waits is told of, with its Python stack where that can be had. Where it
    ends is somebody who runs, is stopped or is dead, a timeout, something that anybody may bring
    about, or a deadlock. Exit status 5: it is a deadlock; 1: there is no such process, or it does not
    use Latchwork.

    \b
    Examples:
      latchwork explain 4242
      latchwork explain "$(pgrep -o -f train.py)"
      latchwork explain 4242 --json | jq -r '.threads[].steps[].text'
    """
    views = source.look()
    members = [member for view in views for member in view.members if member.pid == pid]
    if not members:
        return _absent(pid, as_json)
    waits = graph(views)
    chains = Chains(views, waits, Stacks() if stacks else None)
    told = [(wait.waiter.thread, list(chains.of(wait))) for wait in waits.of(pid)]
    ends = [] if told else list(chains.of_idle(pid))
    held = _held(pid, views)
    deadlock = any(step.kind == "deadlock" for _, steps in told for step in steps)
    if as_json:
        write_json(
            pid=pid,
            program=members[0].program,
            threads=[
                {"thread": thread, "steps": [asdict(step) for step in steps]}
                for thread, steps in told
            ],
            end=[asdict(step) for step in ends],
            holds=[one.id for _, one in held],
            deadlock=deadlock,
        )
    else:
        _print(console(), members[0], told, ends, held)
    return exits.DEADLOCK if deadlock else exits.OK


def _absent(pid: int, as_json: bool) -> int:
    if as_json:
        write_json(pid=pid, program=None, threads=[], end=[], holds=[], deadlock=False)
    sys.stderr.write(f"latchwork: {_why_absent(pid)}\n")
    return exits.NO


def _why_absent(pid: int) -> str:
    there = process(pid)
    if there is None:
        return f"there is no process {pid}"
    who = describe.process(pid, there.name)
    if there.is_dead:
        return f"{who} has ended; its parent has not yet asked how"
    if there.uid != os.geteuid():
        return f"{who} belongs to another user ({there.uid}): only that one sees what it waits for"
    return (
        f"{who} has nothing of Latchwork that can be seen from here; "
        "if LATCHWORK_DIR is set for it, set it here too"
    )


def _held(pid: int, views: list[View]) -> list[tuple[View, Statistics]]:
    return [
        (view, one)
        for view in views
        for one in view.primitives
        if any(owner.pid == pid for owner in one.owners)
    ]


def _print(
    out: Console,
    member: Member,
    told: list[tuple[int, list[Step]]],
    ends: list[Step],
    held: list[tuple[View, Statistics]],
) -> None:
    for number, (_, steps) in enumerate(told):
        if number:
            out.print()
        for step in steps:
            _say(out, step)
    for step in ends:
        _say(out, step)
    if held:
        out.print()
        out.print(Text(f"{describe.process(member.pid, member.program)} holds:", "bold"))
    for _, one in held:
        since = describe.held_for(one)
        lasts = "" if since is None else f", for {age(since)}"
        waits = f", {describe.some(len(one.waiters), 'waiter')}" if one.waiters else ""
        write(out, Text(f"  {printable(one.title)}{lasts}{waits}"))


def _say(out: Console, step: Step) -> None:
    text = Text(step.text, STYLES.get(step.kind, ""))
    write(out, text)
    frames = own(step.stack)
    for frame in (
        frames if len(frames) > 1 or step.kind == "runs" else ()
    ):  # else it is in the sentence
        write(out, Text(f"    {printable(frame)}", "dim"))
    if step.no_stack:
        write(out, Text(f"    ({step.no_stack})", "dim"))
