"""Who holds, who waits, for how long, and what is stuck: of this program, of any other of this user."""

from latchwork.inspect.model import Member, Owner, Statistics, View, Waiter

__all__ = ["Member", "Owner", "Statistics", "View", "Waiter"]
