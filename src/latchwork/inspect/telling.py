"""A deadlock in plain sentences: each process, thread, primitive, and the line of Python that waits."""

from latchwork.inspect.deadlock import Deadlock, Step
from latchwork.inspect.waits import Edge, Node, Wait

CERTAIN = "Only these threads may release what they hold: none of them will ever go on."
PROBABLE = (
    "That is probable, not certain: unless another thread or process releases one of these, "
    "or a task is cancelled, none of them will ever go on."
)


def tell(deadlock: Deadlock) -> str:
    """All of it, a line for each that takes part."""
    lines = [_head(deadlock)]
    told = {step.wait.node for step in deadlock.cycle}
    for number, step in enumerate(deadlock.cycle, 1):
        lines.append(f"  {number}. {_sentence(deadlock, step.wait, [step])}")
    lines += [
        f"  Also stuck with them: {_sentence(deadlock, wait, [])}"
        for wait in deadlock.waits
        if wait.node not in told
    ]
    lines.append(CERTAIN if deadlock.certain else PROBABLE)
    return "\n".join(lines)


def _head(deadlock: Deadlock) -> str:
    what = "Deadlock" if deadlock.certain else "Probable deadlock"
    number = len(deadlock.waits)
    if number == 1:
        return f"{what}: a thread waits for what only its own process holds."
    kinds = {wait.node.kind for wait in deadlock.waits}
    who = (
        "threads" if kinds == {"thread"} else "tasks" if kinds == {"task"} else "threads and tasks"
    )
    processes = len(deadlock.pids)
    where = "one process" if processes == 1 else f"{processes} processes"
    return f"{what}: {number} {who} of {where} wait for each other."


def _sentence(deadlock: Deadlock, wait: Wait, steps: list[Step]) -> str:
    waiter, primitive = wait.waiter, wait.primitive
    edges = [step.edge for step in steps] or list(wait.edges)
    to = {"read": "to read ", "write": "to write "}.get(waiter.wants, "for ")
    where = f"waits at {waiter.line}" if waiter.line else "waits at a line that is not known"
    which = "; ".join(dict.fromkeys(_whom(edge, wait) for edge in edges))
    return f"{_subject(wait)} {where} {to}{primitive.title}, {which}."


def _subject(wait: Wait) -> str:
    waiter = wait.waiter
    name = f"{waiter.thread_name} ({waiter.thread})" if waiter.thread_name else str(waiter.thread)
    process = f"process {waiter.pid} ({waiter.program})"
    if wait.node.kind == "thread":
        return f"Thread {name} of {process}"
    number = f" {wait.node.number}" if wait.node.kind == "task" else ""
    return f"Task{number} in thread {name} of {process}"


def _whom(edge: Edge, wait: Wait) -> str:
    if edge.owner is None and edge.ahead is None:
        return "and the thread of its event loop is stuck itself"
    if edge.ahead is not None:
        writer = edge.ahead
        return f"behind thread {writer.thread} of process {writer.pid}, which waits to write it"
    verb = {"read": "read", "write": "written"}.get(edge.owner.mode if edge.owner else "", "held")
    if edge.to == wait.node:
        return f"{verb} by itself"
    return f"{verb} by {_name(edge.to)}"


def _name(node: Node) -> str:
    if node.kind == "process":
        return f"process {node.pid}, all of whose threads are stuck"
    return f"{node.kind} {node.number} of process {node.pid}"
