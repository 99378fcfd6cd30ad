"""Flags of code objects, as in ``inspect``: to import that takes longer than all of Latchwork."""

CO_OPTIMIZED = 0x1
CO_COROUTINE = 0x80
CO_ITERABLE_COROUTINE = 0x100
CO_ASYNC_GENERATOR = 0x200
