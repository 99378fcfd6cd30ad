"""Event: a flag that processes wait for."""

from typing import TYPE_CHECKING, ClassVar

from latchwork import _core, awaiting
from latchwork.primitives._primitive import Primitive

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics


class Event(Primitive, _core.Event):
    """A flag between processes, as ``multiprocessing.Event``, that no death can break.

    ``name`` and ``namespace`` as for ``Lock``; at the top level of a module it is one object in the
    whole program; it may be pickled to any process of the same user.

    Promised: ``wait()`` returns True if the event was set at any time during the wait, even if
    ``clear()`` followed at once. ``set()``, ``clear()`` and ``is_set()`` never wait for anybody and may
    be called in a signal handler. Killed or stopped waiters cost nothing; a setter killed in the middle
    of ``set()`` delays the waiters by a second at most.

    Not promised: that a process that is not waiting notices a ``set()`` followed by ``clear()``.

    A named Event that is set stays set when all who had it have ended, until it is cleared,
    ``unlink()``\\ ed or the machine restarts; one that is not set is forgotten with its last user.

    Raises what ``Lock`` does if it can't be made or found.
    """

    __slots__ = ("__weakref__",)
    kind: ClassVar[str] = "Event"

    async def wait_async(self, timeout: float | None = None) -> bool:
        """Wait in a coroutine; True if the event was set at any time during the wait.

        As ``wait()``, but it lets the event loop run: ``timeout`` is in seconds, None waits for ever,
        and zero or less only looks. It may be cancelled at any moment. RuntimeError outside of a running
        event loop, if it must wait.
        """
        timeout = awaiting.seconds(timeout)
        if self.is_set():
            return True
        wait = _core.Wait(self)  # from here on it does not miss a set() that a clear() follows
        if self.is_set():
            return True
        return bool(await awaiting.park(wait, timeout))

    def _called(self, seen: "Statistics") -> str:
        # An unnamed one as multiprocessing words it: there are tests that look at that.
        slot, generation = self._place
        return f"Event at {slot}.{generation}" if self.name is None else super()._called(seen)

    def _shown(self, seen: "Statistics") -> str:
        return "set" if seen.state == "set" else "unset"


_core.own_methods(Event)
