"""Cancelled wherever it is suspended, a task holds nothing and costs nobody a wake-up."""

import asyncio

import pytest
from await_scenes import SCENES, OfBarrier, OfCondition, OfConditionWithLock, OfWaitFor
from stepping import Stepping, complete, digested, until

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_net")]


async def cancelled_before(victim, move):
    """Nothing was granted, and it knows that it is cancelled when something would be."""
    victim.task.cancel()
    await until(lambda: victim.steps.thrown)
    move()


async def granted_before(victim, move):
    """What it waited for is there, but its loop had no time to see."""
    move()
    digested()
    victim.task.cancel()


async def cancelled_when_told(victim, move):
    """Its loop knows, and would run it next."""
    victim.steps.when_told = victim.task.cancel
    move()


async def granted_after(victim, move):
    """It is cancelled, but its loop had no time to tell it, when it gets what it waited for."""
    victim.task.cancel()
    move()
    digested()


TIMINGS = [cancelled_before, granted_before, cancelled_when_told, granted_after]
BEHIND = [("process",), ("process", "task")]


def phases(scenes):
    return [
        pytest.param(scene, phase, id=f"{scene.__name__}-{phase}")
        for scene in scenes
        for phase in range(len(scene.moves))
    ]


async def make_moves(scene, victim, moves):
    for number, name in moves:
        getattr(scene, name)()
        digested()
        await settled(scene, victim, number + 1)


async def settled(scene, victim, moves):
    """The loop has run, so that the next move may block it."""
    await asyncio.sleep(0)
    await until(lambda: victim.done() or scene.settled(moves))


async def play(scene, phase, timing, behind):
    """Cancel the victim when the other side has made so many moves."""
    victim = Stepping(scene.victim())
    assert await victim.suspended()
    await scene.wait_behind(behind)
    moves = list(enumerate(scene.moves))
    await make_moves(scene, victim.task, moves[:phase])
    await timing(victim, getattr(scene, scene.moves[phase]))
    await settled(scene, victim.task, phase + 1)
    await make_moves(scene, victim.task, moves[phase + 1 :])
    assert (await victim.over()).cancelled()
    await scene.all_go_on(behind)


@pytest.mark.parametrize("behind", BEHIND, ids="+".join)
@pytest.mark.parametrize("here", [False, True], ids=["elsewhere", "here"])
@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: timing.__name__)
@pytest.mark.parametrize(("scene", "phase"), phases(SCENES))
def test_a_cancelled_one_holds_nothing_and_those_behind_go_on(scene, phase, timing, here, behind):
    complete(play(scene(here), phase, timing, behind))


async def thrown_at(scene, suspension, error, behind=("process", "task")):
    """Whether it was suspended so often, and so was reached."""
    victim = Stepping(scene.victim(), throw_at=suspension, error=error)
    await victim.suspended()
    await scene.wait_behind(behind)
    await make_moves(scene, victim.task, enumerate(scene.moves))
    task = await victim.over()
    if victim.steps.thrown:
        assert task.cancelled() or isinstance(task.exception(), error)
    else:
        scene.passed_on = False
    await scene.all_go_on(behind)
    return victim.steps.thrown


class Thrown(BaseException):
    """What no asynchronous library knows."""


@pytest.mark.parametrize("error", [asyncio.CancelledError, Thrown])
@pytest.mark.parametrize("scene", SCENES)
def test_an_exception_thrown_in_at_any_suspension_leaves_nothing(scene, error):
    suspension = 1
    while complete(thrown_at(scene(), suspension, error)):
        suspension += 1
        assert suspension < 20, "it polls"
    assert suspension > 1


@pytest.mark.parametrize("scene", SCENES)
def test_one_that_was_cancelled_before_it_began_has_done_nothing(scene):
    async def main():
        made = scene()
        victim = Stepping(made.victim())
        victim.task.cancel()
        assert (await victim.over()).cancelled()
        assert victim.steps.suspensions == 0
        victim.steps.coroutine.close()
        await made.wait_behind(("process",))
        await make_moves(made, victim.task, enumerate(made.moves))
        await made.all_go_on(("process",))

    complete(main())


@pytest.mark.parametrize("scene", [OfCondition, OfConditionWithLock, OfWaitFor])
def test_a_condition_gives_the_lock_back_however_often_its_waiter_is_cancelled(scene):
    """The victim of the scene looks whether it has it."""

    async def main():
        made = scene()
        victim = Stepping(made.victim())
        assert await victim.suspended()
        await made.wait_behind(("process",))
        made.notify()
        for _ in range(3):
            victim.task.cancel()
            digested()
            for _ in range(3):
                await asyncio.sleep(0)
            assert not victim.task.done()
        await make_moves(made, victim.task, list(enumerate(made.moves))[1:])
        assert (await victim.over()).cancelled()
        await made.all_go_on(("process",))

    complete(main())


def test_a_cancelled_party_can_come_back_to_the_barrier():
    async def main():
        made = OfBarrier()
        for _ in range(3):
            victim = Stepping(made.victim())
            assert await victim.suspended()
            victim.task.cancel()
            assert (await victim.over()).cancelled()
            assert made.primitive.n_waiting == 0
            assert not made.primitive.broken
        victim = Stepping(made.victim())
        assert await victim.suspended()
        await made.wait_behind(())
        made.arrive()
        (await victim.over()).result()
        await made.all_go_on(())

    complete(main())
