"""Coroutines that await each other, by their frames (not by ids, which are used again)."""

from types import FrameType

from latchwork._code import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE

_AWAITS = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE


def chain(frame: FrameType | None) -> set[FrameType]:
    """This frame and those that await it, up to the event loop."""
    frames: set[FrameType] = set()
    while frame is not None and frame.f_code.co_flags & _AWAITS:
        frames.add(frame)
        frame = frame.f_back
    return frames
