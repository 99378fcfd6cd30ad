"""The asynchronous libraries that the tests run on; what each calls by a name of its own has one here."""

import pytest
from actors import SOON


class Trio:
    name = module = "trio"

    def __init__(self):
        self.library = pytest.importorskip(self.module, reason=f"{self.module} is not installed")

    def run(self, main):
        """Run main(library), bounded."""

        async def bounded():
            with self.library.fail_after(3 * SOON):
                return await main(self)

        return self._run(bounded)

    def _run(self, main):
        return self.library.run(main)

    def move_on_after(self, seconds):
        return self.library.move_on_after(seconds)

    def fail_after(self, seconds):
        return self.library.fail_after(seconds)

    async def sleep(self, seconds):
        await self.library.sleep(seconds)

    def tasks(self):
        """A group: start_soon(function, *arguments), cancel_scope.cancel()."""
        return self.library.open_nursery()

    @property
    def too_slow(self):
        """What fail_after() raises."""
        return self.library.TooSlowError

    @property
    def cancelled(self):
        """What is raised in a cancelled task."""
        return self.library.Cancelled


class AnyioOnAsyncio(Trio):
    name, module, backend = "anyio on asyncio", "anyio", "asyncio"
    too_slow = TimeoutError

    def _run(self, main):
        return self.library.run(main, backend=self.backend)

    def tasks(self):
        return self.library.create_task_group()

    @property
    def cancelled(self):
        return self.library.get_cancelled_exc_class()


class AnyioOnTrio(AnyioOnAsyncio):
    name, backend = "anyio on trio", "trio"

    def __init__(self):
        super().__init__()
        pytest.importorskip("trio", reason="trio is not installed")


class AnyioOnUvloop(AnyioOnAsyncio):
    name = "anyio on uvloop"

    def __init__(self):
        super().__init__()
        pytest.importorskip("uvloop", reason="uvloop is not installed")

    def _run(self, main):
        return self.library.run(main, backend_options={"use_uvloop": True})


LIBRARIES = [Trio, AnyioOnAsyncio, AnyioOnTrio, AnyioOnUvloop]
