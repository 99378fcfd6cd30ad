"""Everything of one primitive, as text: for `show`, and for the second screen of `top`."""

import textwrap

from rich.text import Text

from latchwork.cli import describe
from latchwork.cli.ages import age
from latchwork.cli.frames import own
from latchwork.cli.output import printable
from latchwork.inspect import Deadlock, Graph, Member, Owner, Statistics, View, Waiter

PIDS_AT_MOST = 12


def detail(view: View, primitive: Statistics, graph: Graph) -> Text:
    """State, owners, waiters with the lines where they wait, deadlocks, members."""
    text = Text()
    text.append(printable(primitive.title), "bold")
    place = "namespace" if view.namespace is not None else "of the program"
    text.append(f"  {place} {describe.where(view)}\n", "dim")
    _line(text, "state", describe.state(primitive))
    if primitive.name is not None and primitive.place:
        _line(text, "made at", printable(primitive.place))
    _line(text, "id", printable(primitive.id))
    if primitive.abandoned:
        often = describe.how_often(primitive.abandoned)
        _line(text, "abandoned", f"{often}: somebody died with it", "yellow")
    for deadlock in graph.deadlocks:
        if any(wait.primitive.id == primitive.id for wait in deadlock.waits):
            _deadlock(text, deadlock)
    _owners(text, primitive.owners, primitive.taken)
    _waiters(text, primitive.waiters, primitive.taken)
    _members(text, view)
    return text


def _line(text: Text, name: str, value: str, style: str = "") -> None:
    text.append(f"  {name:<10}", "dim")
    text.append(f"{value}\n", style)


def _heading(text: Text, title: str, number: int) -> None:
    text.append(f"\n{title}", "bold")
    text.append(f" {number:,}\n", "dim")


def _deadlock(text: Text, deadlock: Deadlock) -> None:
    text.append(f"\n{textwrap.indent(told(deadlock), '  ')}\n", "red")


def told(deadlock: Deadlock) -> str:
    """A deadlock in sentences that are safe to print."""
    return "\n".join(printable(line) for line in str(deadlock).splitlines())


def _owners(text: Text, owners: tuple[Owner, ...], taken: float) -> None:
    if not owners:
        return
    _heading(text, "held by", len(owners))
    for owner in owners:
        parts = [describe.process(owner.pid, owner.program)]
        if owner.task is not None:
            parts.append(f"task {owner.task}")
        elif owner.thread is not None:
            main = owner.thread == owner.pid
            parts.append(describe.MAIN_THREAD if main else f"thread {owner.thread}")
        if owner.mode != "held":
            parts.append(f"to {owner.mode}")
        if owner.count > 1:
            parts.append(describe.how_often(owner.count))
        if owner.since is not None:
            parts.append(f"for {age(taken - owner.since)}")
        text.append("  " + ", ".join(parts) + "\n")


def _waiters(text: Text, waiters: tuple[Waiter, ...], taken: float) -> None:
    if not waiters:
        return
    _heading(text, "waiting", len(waiters))
    for waiter in waiters:
        thread = describe.thread(waiter)
        if waiter.is_task:
            number = "" if waiter.task is None else f" {waiter.task}"
            thread = f"task{number} in {'its ' if thread == describe.MAIN_THREAD else ''}{thread}"
        wants = "" if waiter.wants in ("acquire", "wait") else f", to {waiter.wants}"
        text.append(
            f"  {describe.process(waiter.pid, waiter.program)}, {thread}{wants}, "
            f"for {age(taken - waiter.since)}{describe.until(waiter, taken)}\n"
        )
        for frame in own(waiter.stack):
            text.append(f"      {printable(frame)}\n", "dim")


def _members(text: Text, view: View) -> None:
    _heading(text, "processes attached", len(view.members))
    programs: dict[str, list[Member]] = {}
    for member in sorted(view.members, key=lambda member: (member.since, member.pid)):
        programs.setdefault(member.program, []).append(member)
    for program, members in programs.items():
        pids = ", ".join(str(member.pid) for member in members[:PIDS_AT_MOST])
        more = len(members) - PIDS_AT_MOST
        text.append(f"  {printable(program) or '?'}: {pids}")
        text.append(f" and {more:,} more\n" if more > 0 else "\n")
