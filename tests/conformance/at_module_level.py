"""Primitives made at the top level of a module: the same objects in every process that imports it.

One of each shape for each law that wants it; a law with a shape that is not here adds it.
"""

from doing import fail, note
from engines import Shape

import latchwork

COPIES = 40
SHAPES = [
    Shape("Lock"),
    Shape("RLock"),
    Shape("Event"),
    Shape("RWLock"),
    Shape("Condition"),
    Shape("Condition", ("Lock",)),
    Shape("Condition", ("RLock",)),
    *(Shape("Semaphore", (value,)) for value in (0, 1, 2, 3)),
    *(Shape("Semaphore", (value,), (("owned", True),)) for value in (0, 1, 2, 3)),
    *(Shape("BoundedSemaphore", (value,)) for value in (0, 1, 2, 3)),
    *(Shape("BoundedSemaphore", (value,), (("owned", False),)) for value in (0, 1, 2, 3)),
    *(Shape("Barrier", (parties,)) for parties in (1, 2, 3, 4)),
    Shape("Barrier", (2, note)),
    Shape("Barrier", (4, note)),
    Shape("Barrier", (2, fail)),
    Shape("Barrier", (2, None, 0.05)),
    *(Shape("Latch", (count,)) for count in (0, 1, 2, 3, 1000)),
]

made = {shape: [] for shape in SHAPES}
for shape in SHAPES:
    for _ in range(COPIES):
        given = [getattr(latchwork, arg)() if isinstance(arg, str) else arg for arg in shape.args]
        made[shape].append(getattr(latchwork, shape.kind)(*given, **dict(shape.kwargs)))
