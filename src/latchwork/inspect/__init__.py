"""Who holds, who waits, for how long, and what is stuck: of this program, of any other of this user."""

from latchwork.inspect.deadlock import Deadlock, Step
from latchwork.inspect.graph import Graph, graph
from latchwork.inspect.looking import find, view, views
from latchwork.inspect.model import Member, Owner, Statistics, View, Waiter
from latchwork.inspect.waits import Edge, Needs, Node, Wait

__all__ = [
    "Deadlock",
    "Edge",
    "Graph",
    "Member",
    "Needs",
    "Node",
    "Owner",
    "Statistics",
    "Step",
    "View",
    "Wait",
    "Waiter",
    "find",
    "graph",
    "view",
    "views",
]
