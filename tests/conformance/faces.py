"""By which faces a law uses a primitive: sync or async, here or in the other process."""

from awaiting import Awaiting, by_awaiting, is_suspended
from remote import Here, There


class AwaitingHere(Here):
    """All that is done in this process is done by tasks."""

    def __init__(self, primitive, *args):
        super().__init__(primitive, *args)
        self.primitive = primitive if isinstance(primitive, Awaiting) else Awaiting(primitive)


class AwaitingThere(There):
    """All that is done in the other process is done by tasks of it."""

    def begin(self, what, *args, **kwargs):
        return super().begin(by_awaiting, what, *args, **kwargs)

    def __call__(self, what, *args, **kwargs):
        return super().__call__(by_awaiting, what, *args, **kwargs)


class MixedHere(Here):
    """What the main thread does is sync, what others do is done by tasks."""

    def begin(self, what, *args, **kwargs):
        return super().begin(by_awaiting, what, *args, **kwargs)


class MixedThere(There):
    def begin(self, what, *args, **kwargs):
        return super().begin(by_awaiting, what, *args, **kwargs)

    def __call__(self, what, *args, **kwargs):
        if self.thread != "main":
            what, args = by_awaiting, (what, *args)
        return super().__call__(what, *args, **kwargs)


FACES = {
    "sync": (Here, There),
    "async here": (AwaitingHere, There),
    "async there": (Here, AwaitingThere),
    "mixed": (MixedHere, MixedThere),
}
# The sync faces over all ways; these over those in which another process could differ: how its threads
# and loop came to be.
WAYS = {
    "async here": ("fork", "pickled"),
    "async there": ("fork", "spawn"),
    "mixed": ("fork", "named"),
}


def sides(faces, engine, primitive, remote, number):
    """The two sides of a pair that has these faces."""
    here, there = FACES[faces]

    def awaited_here(pid, tid):
        return is_suspended(None, tid) and engine.awaits(pid)

    def awaited_there(pid, tid):
        return There(remote, number, None, "asked")(is_suspended, tid) and engine.awaits(pid)

    return (
        here(primitive, engine.sleeps if here is Here else awaited_here),
        there(remote, number, engine.sleeps if there is There else awaited_there),
    )


ONE_PLACE = (
    "the tasks of a process have one place in the queue, and queue for that among themselves"
)
LEFT_OUT = {
    "test_the_spelling_of_threading_is_accepted": "what is awaited knows neither block nor blocking",
    "test_what_another_process_sends_back_is_the_same": "it is a handle, whatever it is used by",
    "test_owned_ones_are_had_in_order": ONE_PLACE,
    "test_they_are_had_in_order": ONE_PLACE,
    "test_writers_have_it_in_order": ONE_PLACE,
}
