"""Primitives that somebody holds: those who wait for them may wait for each other."""

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from latchwork.primitives._primitive import Primitive
from latchwork.settings import mode_number

if TYPE_CHECKING:
    from latchwork.settings import Deadlock

Self = TypeVar("Self", bound="Held")


class Held(Primitive):
    """``deadlock`` says what is done about a deadlock of those who wait for it.

    As for ``latchwork.configure()``, and before what the program says; it belongs to the primitive, in
    every process, and the last one who says it has the last word.
    """

    __slots__ = ()

    def __new__(
        cls: type[Self],
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        return cls._made(sys._getframe(1), name=name, namespace=namespace, deadlock=deadlock)

    @classmethod
    def _made(
        cls: type[Self],
        frame: FrameType,
        *,
        name: str | None = None,
        namespace: str | None = None,
        deadlock: "Deadlock | None" = None,
    ) -> Self:
        return cls._wishing(deadlock, frame, (), name, namespace)

    @classmethod
    def _wishing(
        cls: type[Self],
        deadlock: "Deadlock | None",
        frame: FrameType,
        made: tuple[object, ...],
        name: str | None,
        namespace: str | None,
    ) -> Self:
        """As ``_sited()``; with that said about deadlocks, unless it is None."""
        if deadlock is None:
            return cls._sited(frame, made, name, namespace)
        number = mode_number(deadlock)
        self: Any = cls._sited(frame, made, name, namespace)
        self._wish(number)
        return self  # type: ignore[no-any-return]
