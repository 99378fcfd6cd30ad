"""multiprocessing's face: contexts whose primitives are Latchwork's."""

import multiprocessing
import multiprocessing.context as std
from typing import TYPE_CHECKING, Any

from latchwork.making import Makers

if TYPE_CHECKING:
    from latchwork import _queues
    from latchwork.managers import LocalManager


class _Latchwork(Makers):
    """What these contexts have of their own; all else is multiprocessing's.

    Its SimpleQueue, Pool, Value and Array take their locks from the context they are made by, so those of
    these contexts outlive the death of a process that holds one.
    """

    def Queue(self, maxsize: int = 0) -> "_queues.Queue":
        """Return a ``multiprocessing.Queue`` on Latchwork's locks."""
        from latchwork import _queues

        ctx: Any = self
        return _queues.Queue(maxsize, ctx=ctx.get_context())

    def JoinableQueue(self, maxsize: int = 0) -> "_queues.JoinableQueue":
        """Return a ``multiprocessing.JoinableQueue`` on Latchwork's locks."""
        from latchwork import _queues

        ctx: Any = self
        return _queues.JoinableQueue(maxsize, ctx=ctx.get_context())

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
