"""What --json writes of views: the fields of `latchwork.inspect`'s dataclasses, under their names."""

from dataclasses import asdict
from typing import Any

from latchwork.inspect import Node, Statistics, View


def of_view(view: View) -> dict[str, Any]:
    """An arena with all that is in it."""
    facts = asdict(view)
    facts["primitives"] = [of_primitive(one) for one in view.primitives]
    return facts


def of_arena(view: View) -> dict[str, Any]:
    """An arena without its primitives."""
    facts = asdict(view)
    del facts["primitives"]
    return facts


def of_primitive(primitive: Statistics) -> dict[str, Any]:
    """One primitive, with what it is called."""
    return {"title": primitive.title, **asdict(primitive)}


def key(node: Node) -> str:
    """A name for somebody who waits or owns: ``thread:PID:TID``, ``task:PID:NUMBER``, ``process:PID``."""
    return f"{node.kind}:{node.pid}" + (f":{node.number}" if node.kind != "process" else "")
