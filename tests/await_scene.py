"""What all scenes of awaiting have in common: a victim, the other side, and those behind the victim.

Whatever happens to the victim, when the other side has made all its moves, those behind go on and
nothing is held.
"""

from party import Party, call
from stepping import begun, says, until


class Here:
    """The other side, in this process: as a Party, but at once."""

    def does(self, primitive, name, *args):
        return call(primitive, name, *args)


class Scene:
    """What all have in common; ``here``: the other side is this process as well."""

    def __init__(self, here=False):
        self.prepare()
        self.other = Here() if here else Party()
        self.process = Party()
        self.third = Party()  # comes when all is over
        self.tasks = []
        self.begin()

    moves = ()  # names of methods: what the other side does, one after the other, for the victim to go on

    def prepare(self):
        """Make what is shared."""

    def begin(self):
        """Let the other side do what the victim will wait for the end of."""

    def settled(self, moves):
        """Whether the victim waits again, after so many moves."""
        return True

    def victim(self):
        """The coroutine under test."""

    def process_waits(self):
        """Let another process wait behind the victim."""

    async def task_behind(self):
        """Be a task that waits behind the victim."""

    async def process_goes_on(self):
        """Hear that the other process got what it waited for, and let it give it back."""
        assert (await says(self.process)).result is True

    async def check(self):
        """Nothing is held, nobody is counted."""

    def does(self, primitive, name, *args, result=None):
        """Let the other side do something that must come out so."""
        assert self.other.does(primitive, name, *args).result is result

    async def third_does(self, primitive, name, *args, result=None):
        """Let the third one do something that must come out so; the loop, which it may need, runs."""
        self.third.asked(primitive, name, *args)
        assert (await says(self.third)).result is result

    async def wait_behind(self, whom):
        if "process" in whom:
            self.process_waits()
        if "task" in whom:
            self.tasks.append(await begun(self.task_behind()))

    async def all_go_on(self, whom):
        """Those behind got what they waited for; then all is as if nobody had ever waited."""
        if "process" in whom:
            await self.process_goes_on()
        for task in self.tasks:
            await until(task.done)
            task.result()
        await self.check()
