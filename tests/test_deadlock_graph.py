"""Who can never go on, from facts alone; against brute force over all that may happen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting_graphs import (
    BEGAN,
    Place,
    World,
    owner,
    primitive,
    thread,
    threads,
    view,
    waiter,
)

from latchwork.inspect import Node, graph
from latchwork.inspect.components import components, way_round
from latchwork.inspect.graph import deadlock_of

ONE_EACH = threads(p1=(1,), p2=(2,), p3=(3,), p4=(4,))


def ring(number, kind="Lock", exclusive=False):
    """Each holds one and waits for the next one's; the last one began last."""
    places = []
    for at in range(1, number + 1):
        waits = number if at == 1 else at - 1
        places.append(
            primitive(
                kind,
                f"l{at}",
                [owner(at, at, exclusive=exclusive)],
                [waiter(waits, waits, BEGAN + waits)],
            )
        )
    return view(*places)


def found(*views, living=ONE_EACH):
    return graph(views, living=living).deadlocks


# --- laws, by brute force -----------------------------------------------------------------------------


@st.composite
def worlds(draw):
    everybody = draw(
        st.sampled_from(
            [
                ((1, 1), (2, 2)),
                ((1, 1), (2, 2), (3, 3)),
                ((1, 1), (1, 2), (2, 3)),
                ((1, 1), (1, 2), (2, 3), (3, 4)),
                ((1, 1), (2, 2), (3, 3), (4, 4)),
            ]
        )
    )
    kinds = st.sampled_from(["Lock", "RLock", "RWLock", "BoundedSemaphore", "Event"])
    places = [
        draw(_held(kind, everybody)) for kind in draw(st.lists(kinds, min_size=1, max_size=4))
    ]
    for who in draw(st.permutations(everybody)):
        where = draw(st.integers(0, len(places)))
        if where < len(places) and not _holds_rlock(places[where], who):
            wants = draw(st.sampled_from(_wants(places[where].kind)))
            queue = (*places[where].queue, (who, wants))
            places[where] = Place(
                **{**places[where].__dict__, "queue": queue},
            )
    hasty = draw(st.sets(st.sampled_from(everybody), max_size=1))
    return World(everybody, tuple(places), frozenset(everybody) - hasty)


def _wants(kind):
    return {"RWLock": ["read", "write"], "Event": ["wait"]}.get(kind, ["acquire"])


def _holds_rlock(place, who):
    return place.kind == "RLock" and who in place.holders


@st.composite
def _held(draw, kind, everybody):
    some = st.sampled_from(everybody)
    processes = st.sampled_from(sorted({pid for pid, _ in everybody}))
    if kind in ("Lock", "RLock"):
        return Place(kind, holders=tuple(draw(st.lists(some, max_size=1))))
    if kind == "Event":
        return Place(kind)
    if kind == "BoundedSemaphore":
        limit = draw(st.integers(1, 2))
        return Place(kind, limit, tuple(draw(st.lists(processes, max_size=limit))))
    mode = draw(st.sampled_from(["read", "write"]))
    most = 1 if mode == "write" else 2
    return Place(kind, 1, tuple(draw(st.lists(processes, max_size=most))), mode)


@settings(max_examples=250, deadline=None)
@given(worlds())
def test_blocked_is_who_goes_on_in_no_order_of_legal_steps(world):
    seen = graph([world.view()], living=world.living)
    assert seen.blocked == world.stuck()
    assert bool(seen.deadlocks) == bool(seen.blocked)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_each_deadlock_stays_although_all_others_go_on(world):
    seen = graph([world.view()], living=world.living)
    for deadlock in seen.deadlocks:
        assert deadlock.nodes <= seen.blocked
        alone = World(
            world.threads,
            tuple(
                Place(
                    place.kind,
                    place.limit,
                    place.holders,
                    place.mode,
                    tuple(entry for entry in place.queue if thread(*entry[0]) in deadlock.nodes),
                )
                for place in world.places
            ),
            world.patient,
        )
        readers_behind = any(step.edge.ahead for step in deadlock.cycle)
        assert readers_behind or alone.stuck() == deadlock.nodes
        assert {step.wait.node for step in deadlock.cycle} <= deadlock.nodes
        assert deadlock.cycle[0].wait == deadlock.victim


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_one_who_asks_for_itself_is_told_the_same(world):
    seen = graph([world.view()], living=world.living)
    for who in world.threads:
        node = thread(*who)
        assert deadlock_of(node, [world.view()], living=world.living) == seen.with_node(node)


@given(st.dictionaries(st.integers(0, 6), st.sets(st.integers(0, 6), max_size=3), max_size=7))
def test_components_are_those_that_reach_each_other(arrows):
    nodes = sorted(set(arrows) | {to for some in arrows.values() for to in some})

    def after(node):
        return sorted(arrows.get(node, ()))

    def reach(node):
        reached, ahead = set(), [node]
        while ahead:
            for to in after(ahead.pop()):
                if to not in reached:
                    reached.add(to)
                    ahead.append(to)
        return reached

    expected = {
        frozenset({node} | {to for to in reach(node) if node in reach(to)}) for node in nodes
    }
    assert {frozenset(component) for component in components(nodes, after)} == expected
    for node in nodes:
        assert bool(way_round(node, after)) == (node in reach(node))


# --- cycles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_ring_of_locks_is_probable_and_of_rlocks_certain(number):
    (probable,) = found(ring(number))
    (certain,) = found(ring(number, "RLock", exclusive=True))
    assert not probable.certain
    assert certain.certain
    assert len(certain.cycle) == number
    assert certain.pids == tuple(range(1, number + 1))


def test_the_victim_is_the_last_to_wait_then_the_greatest():
    (deadlock,) = found(ring(3))
    assert deadlock.victim.node == thread(3, 3)
    tied = view(
        primitive("Lock", "a", [owner(1, 1)], [waiter(2, 2)]),
        primitive("Lock", "b", [owner(2, 2)], [waiter(1, 1)]),
    )
    (deadlock,) = found(tied)
    assert deadlock.victim.node == thread(2, 2)


def test_a_ring_over_two_arenas_is_one():
    first = view(primitive("Lock", "a", [owner(1, 1)], [waiter(2, 2)]), path="/a")
    second = view(primitive("Lock", "b", [owner(2, 2)], [waiter(1, 1)]), path="/b")
    assert len(found(first, second)) == 1
    assert not found(first)


def test_two_rings_are_two_and_who_waits_behind_is_in_neither():
    places = [
        *ring(2).primitives,
        primitive("Lock", "c", [owner(3, 3)], [waiter(4, 4)]),
        primitive("Lock", "d", [owner(4, 4)], [waiter(3, 3), waiter(5, 5)]),
    ]
    seen = graph([view(*places)], living=ONE_EACH)
    assert {deadlock.pids for deadlock in seen.deadlocks} == {(1, 2), (3, 4)}
    assert thread(5, 5) in seen.blocked


def test_who_would_be_helped_by_the_end_of_another_ring_is_not_one():
    """2 waits for a permit of 1 or of 3; 1 waits for 2, and 3 and 4 for each other."""
    permits = primitive("BoundedSemaphore", "s", [owner(1), owner(3)], [waiter(2, 2)], limit=2)
    helped = [permits, primitive("Lock", "a", [owner(2, 2)], [waiter(1, 1)])]
    other = [
        primitive("Lock", "c", [owner(3, 3)], [waiter(4, 4)]),
        primitive("Lock", "d", [owner(4, 4)], [waiter(3, 3)]),
    ]
    seen = graph([view(*helped, *other)], living=ONE_EACH)
    assert [deadlock.pids for deadlock in seen.deadlocks] == [(3, 4)]
    assert len(seen.blocked) == 4


def test_a_ring_within_what_would_be_helped_is_found():
    """1 waits for a permit of 2 or of 5; 2 to write what 1 and 3 read; 3 and 4 for each other."""
    places = [
        primitive("BoundedSemaphore", "s", [owner(2), owner(5)], [waiter(1, 1)], limit=2),
        primitive(
            "RWLock",
            "rw",
            [owner(1, mode="read"), owner(3, mode="read")],
            [waiter(2, 2, wants="write")],
        ),
        primitive(
            "RWLock",
            "both",
            [owner(1, mode="read"), owner(4, mode="read")],
            [waiter(3, 3, wants="write")],
        ),
        primitive("Lock", "c", [owner(3, 3)], [waiter(4, 4)]),
        primitive("Lock", "e", [owner(6, 6)], [waiter(5, 5)]),
        primitive("Lock", "f", [owner(5, 5)], [waiter(6, 6)]),
    ]
    living = threads(p1=(1,), p2=(2,), p3=(3,), p4=(4,), p5=(5,), p6=(6,))
    seen = graph([view(*places)], living=living)
    assert {deadlock.pids for deadlock in seen.deadlocks} == {(3, 4), (5, 6)}


def test_a_timeout_anywhere_in_the_ring_makes_it_none():
    one, two = ring(2).primitives
    hasty = primitive("Lock", "l2", two.owners, [waiter(1, 1, until=BEGAN + 5)])
    seen = graph([view(one, hasty)], living=ONE_EACH)
    assert not seen.deadlocks
    assert not seen.blocked
    assert len(seen.waits) == 2


def test_a_thread_and_itself_is_a_probable_ring_of_one():
    alone = view(primitive("Lock", "a", [owner(1, 1)], [waiter(1, 1)]))
    (deadlock,) = found(alone, living=threads(p1=(1, 2)))
    assert not deadlock.certain
    assert deadlock.nodes == {thread(1, 1)}


def test_a_lock_that_its_waiter_has_just_got_is_no_ring():
    served = view(primitive("Lock", "a", [owner(1, 1, since=BEGAN + 1)], [waiter(1, 1)]))
    assert not found(served)
    reentrant = view(primitive("RLock", "a", [owner(1, 1, exclusive=True)], [waiter(1, 1)]))
    assert not found(reentrant)


def test_nobody_is_stuck_for_what_anybody_may_bring_about():
    one, two = ring(2).primitives
    event = primitive("Event", "e", (), [waiter(1, 1, wants="wait")])
    assert not found(view(one, primitive("Lock", "l2", two.owners), event))
    plain = primitive("Semaphore", "s", (), [waiter(1, 1)], value=0)
    assert not found(view(one, plain))


# --- processes as owners ------------------------------------------------------------------------------


def reading_both(**threads_of):
    """1 reads and waits for a Lock of 2, which waits to write."""
    return found(
        view(
            primitive("RWLock", "rw", [owner(1, mode="read")], [waiter(2, 2, wants="write")]),
            primitive("Lock", "a", [owner(2, 2)], [waiter(1, 1)]),
        ),
        living=threads(**threads_of),
    )


def test_a_process_is_stuck_only_with_all_its_threads():
    (deadlock,) = reading_both(p1=(1,), p2=(2,))
    assert not deadlock.certain
    assert not reading_both(p1=(1, 11), p2=(2,))


def test_a_dead_owner_keeps_nobody():
    assert not reading_both(p1=(), p2=(2,))


def test_a_pid_of_another_pid_namespace_is_in_no_ring():
    """Two that have the number 0 here need not be one process."""
    mine = primitive("Lock", "a", [owner(0, 1)], [waiter(0, 1)])
    its = primitive("RLock", "b", [owner(0, 2, exclusive=True)], [waiter(0, 1)])
    found = graph([view(mine, its)], living=threads())
    assert not found.blocked
    assert not found.deadlocks


def test_a_writer_waits_for_all_readers_and_an_acquirer_for_any_holder():
    held = primitive("Lock", "a", [owner(2, 2)], [waiter(1, 1)])
    both = [owner(1, mode="read"), owner(3, mode="read")]
    rw = primitive("RWLock", "rw", both, [waiter(2, 2, wants="write")])
    assert len(found(view(rw, held))) == 1
    permits = primitive("BoundedSemaphore", "s", [owner(1), owner(3)], [waiter(2, 2)], limit=2)
    assert not found(view(permits, held))
    # Not the third one's either, once that waits as well.
    third = primitive("Lock", "b", [owner(2, 2)], [waiter(3, 3)])
    assert len(found(view(permits, held, third))) == 1


def test_a_permit_on_its_way_is_a_permit():
    held = primitive("Lock", "a", [owner(2, 2)], [waiter(1, 1)])
    permits = primitive("BoundedSemaphore", "s", [owner(1)], [waiter(2, 2)], value=0, limit=2)
    assert not found(view(permits, held))


def test_a_reader_waits_behind_the_writer_that_came_first():
    rw = primitive(
        "RWLock",
        "rw",
        [owner(1, mode="read")],
        [waiter(2, 2, wants="write"), waiter(1, 1, BEGAN + 1, "read")],
    )
    (deadlock,) = found(view(rw))
    assert [step.edge.ahead is not None for step in deadlock.cycle] == [True, False]
    first = [waiter(1, 1, wants="read"), waiter(2, 2, BEGAN + 1, "write")]
    assert not found(view(primitive("RWLock", "rw", rw.owners, first)))
    hasty = [waiter(2, 2, wants="write", until=BEGAN + 9), waiter(1, 1, BEGAN + 1, "read")]
    assert not found(view(primitive("RWLock", "rw", rw.owners, hasty)))


# --- tasks --------------------------------------------------------------------------------------------


def test_numbered_tasks_that_wait_for_each_other_are_probable():
    def place(name, has, wants):
        task = waiter(1, 1, is_task=True, task=wants)
        return primitive("RLock", name, [owner(1, task=has, exclusive=True)], [task])

    (deadlock,) = found(view(place("a", 7, 8), place("b", 8, 7)))
    assert not deadlock.certain
    assert deadlock.nodes == {Node(1, "task", 7), Node(1, "task", 8)}
    assert deadlock.victim is None


def test_tasks_without_a_number_are_never_stuck():
    one, two = ring(2).primitives
    task = primitive("Lock", "l2", two.owners, [waiter(1, 1, is_task=True)])
    assert not found(view(one, task))


def test_a_loop_that_waits_for_its_own_task_is_stuck():
    """The task has the RLock; the thread of its loop waits for it, and so resumes no task."""
    held = [owner(1, task=7, exclusive=True)]
    rlock = primitive("RLock", "r", held, [waiter(1, 1)])
    (deadlock,) = found(view(rlock))
    assert deadlock.nodes == {thread(1, 1)}
    elsewhere = primitive("Event", "e", (), [waiter(1, 1, wants="wait", is_task=True, task=7)])
    seen = graph([view(rlock, elsewhere)], living=ONE_EACH)
    assert seen.blocked == {thread(1, 1), Node(1, "task", 7)}
    assert [step.edge.to for step in seen.deadlocks[0].cycle] == [
        Node(1, "task", 7),
        thread(1, 1),
    ]


# --- in words -----------------------------------------------------------------------------------------


def test_the_text_names_every_process_thread_primitive_and_line():
    (deadlock,) = found(ring(3, "RLock", exclusive=True))
    text = str(deadlock)
    for number in (1, 2, 3):
        assert f"Thread T{number} ({number}) of process {number} (p{number}.py)" in text
        assert f"RLock 'l{number}'" in text
        assert f"at p{number}.py:{number} in work" in text
    assert "Only these threads may release" in text


def test_the_text_names_those_that_are_needed_beyond_the_circle():
    rw = primitive(
        "RWLock",
        "rw",
        [owner(1, mode="read"), owner(3, mode="read")],
        [waiter(2, 2, BEGAN + 1, wants="write")],
    )
    held = primitive("Lock", "a", [owner(2, 2)], [waiter(1, 1), waiter(3, 3)])
    (deadlock,) = found(view(rw, held))
    assert len(deadlock.cycle) == 2
    text = str(deadlock)
    assert (
        "Also stuck with them: Thread T3 (3) of process 3 (p3.py) waits at p3.py:3 in work for Lock 'a'"
        in text
    )
    assert "all of whose threads are stuck" in text
    assert "to write RWLock 'rw', read by process 1" in text
    assert "Probable deadlock: 3 threads of 3 processes" in text
