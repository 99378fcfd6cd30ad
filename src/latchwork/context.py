"""multiprocessing's face: contexts whose Lock, Event and Manager are Latchwork's."""

import multiprocessing
import multiprocessing.context as std
import sys
from typing import TYPE_CHECKING, Any

from latchwork.primitives import Event as _Event
from latchwork.primitives import Lock as _Lock

if TYPE_CHECKING:
    from latchwork.managers import LocalManager


class _Latchwork:
    """What these contexts have of their own; all else is multiprocessing's.

    Its queues and pools take their locks from the context they are made by, so those of these contexts
    outlive the death of a worker that holds one.
    """

    def Lock(self, *, name: str | None = None, namespace: str | None = None) -> _Lock:
        """Return a ``latchwork.Lock``."""
        return _Lock._made(sys._getframe(1), name, namespace)

    def Event(self, *, name: str | None = None, namespace: str | None = None) -> _Event:
        """Return a ``latchwork.Event``."""
        return _Event._made(sys._getframe(1), name, namespace)

    def Manager(self) -> "LocalManager":
        """Return a manager; its server is started at the first thing that needs one."""
        from latchwork.managers import LocalManager

        ctx: Any = self
        return LocalManager(ctx=ctx.get_context())

    def get_context(self, method: str | None = None) -> Any:
        """Return this context, or Latchwork's for another start method."""
        return self if method is None else get_context(method)


class ForkContext(_Latchwork, std.ForkContext):  # type: ignore[misc]
    """As multiprocessing's, with Latchwork's primitives."""


class SpawnContext(_Latchwork, std.SpawnContext):  # type: ignore[misc]
    """As multiprocessing's, with Latchwork's primitives."""


class ForkServerContext(_Latchwork, std.ForkServerContext):  # type: ignore[misc]
    """As multiprocessing's, with Latchwork's primitives."""


_contexts: dict[str, Any] = {
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}


class DefaultContext(_Latchwork, std.BaseContext):  # type: ignore[misc]
    """The context of the start method in force, which is multiprocessing's: there is only one."""

    Process = multiprocessing.Process

    def get_context(self, method: str | None = None) -> Any:
        """Return the context for a start method; None: the one in force, which it fixes."""
        if method is None:
            method = multiprocessing.get_start_method()
        try:
            context = _contexts[method]
        except KeyError:
            raise ValueError(f"cannot find context for {method!r}") from None
        context._check_available()
        return context

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Set the start method, for multiprocessing as well."""
        multiprocessing.set_start_method(method, force=force)

    def get_start_method(self, allow_none: bool = False) -> Any:
        """Return the start method in force."""
        return multiprocessing.get_start_method(allow_none=allow_none)

    def get_all_start_methods(self) -> list[str]:
        """Return those that work here, the default first."""
        return multiprocessing.get_all_start_methods()


default = DefaultContext()
get_context = default.get_context
