"""A law gets a `pair`: a primitive here, and the same one in another process, by each way to share it."""

import itertools
import os
from collections import defaultdict
from pathlib import Path

import pytest
from awaiting import end_loop
from engines import ENGINES, Shape
from faces import FACES, LEFT_OUT, WAYS, sides
from remote import Remote, serve, serve_from_module

HERE = Path(__file__).parent
COUNTER = itertools.count()
TAKEN = defaultdict(itertools.count)  # of what a module has made: which copy is next


def pytest_configure(config):
    config.addinivalue_line("markers", "made(kind, *args, **kwargs): what a law is about")
    config.addinivalue_line("markers", "kills: a law that needs a process of its own to kill")


def pytest_collection_modifyitems(config, items):
    """Take out the laws that the async faces are not subject to."""
    kept, left_out = [], []
    for item in items:
        (left_out if item.originalname in LEFT_OUT and faces_of(item) != "sync" else kept).append(
            item
        )
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def faces_of(item):
    if item.path.parent != HERE or "way" not in item.fixturenames:
        return "sync"
    return item.callspec.params["way"][2]


def shape_of(item):
    mark = item.get_closest_marker("made")
    kind, *args = mark.args
    return Shape(kind, tuple(args), tuple(sorted(mark.kwargs.items())))


class Pair:
    """`here` and `there`; `both()` for laws that hold from either side."""

    def __init__(self, engine, here, there):
        self.engine, self.here, self.there = engine, here, there

    def both(self):
        return [(self.here, self.there), (self.there, self.here)]


class Way:
    """One way to share, and the process at its other end, which serves all laws of a module.

    What must be there before that process starts is made for all of them at once.
    """

    def __init__(self, engine, name, faces, items):
        self.engine, self.name, self.faces = engine, name, faces
        self.wanted = {item.nodeid: shape_of(item) for item in items}
        self.remote, self.ready, self.primitive = None, {}, None

    def make(self, shape, **kwargs):
        return self.engine.make(shape.kind, *shape.args, **dict(shape.kwargs), **kwargs)

    def start(self, wanted):
        """A remote for those laws, and their primitives here."""
        ctx, numbers = self.engine.context, {node: next(COUNTER) for node in wanted}
        if self.name == "named":
            return Remote.unrelated(), {}
        if self.name == "pickled":
            return Remote.started(ctx("fork"), serve, []), {}
        if self.name == "module":
            made = getattr(__import__(self.engine.module), self.engine.table)
            keys = {
                node: (n, wanted[node], next(TAKEN[wanted[node]])) for node, n in numbers.items()
            }
            args = self.engine.module, self.engine.table, list(keys.values())
            here = {node: (n, made[shape][which]) for node, (n, shape, which) in keys.items()}
            return Remote.started(ctx("spawn"), serve_from_module, *args), here
        here = {node: (number, self.make(wanted[node])) for node, number in numbers.items()}
        return Remote.started(ctx(self.name), serve, list(here.values())), here

    def pair(self, node, kills):
        if kills:
            remote, ready = self.start({node: self.wanted[node]})
        else:
            if (
                self.remote is None or not self.remote.lives()
            ):  # the reaper kills what a test restarts
                self.remote, self.ready = self.start(self.wanted)
            remote, ready = self.remote, self.ready
        if node in ready:
            number, primitive = ready.pop(node)
        else:
            number, shape, name = next(COUNTER), self.wanted[node], None
            if self.name == "named":
                name = f"law {os.getpid()} {number}"
            primitive = self.make(shape, name=name)
            if name is None:
                remote.take(number, primitive)
            else:
                args = (shape.kind, *shape.args)
                remote.make(number, self.engine.make, *args, **dict(shape.kwargs), name=name)
        self.primitive = primitive
        return Pair(self.engine, *sides(self.faces, self.engine, primitive, remote, number))

    def give_back(self, pair):
        try:
            end_loop()
        finally:
            self.take_leave(pair)

    def take_leave(self, pair):
        pair.here.end()
        remote = pair.there.remote
        if remote.alive:
            remote.look()
            if remote is not self.remote or remote.open:
                remote.kill()  # a law that failed left somebody asleep in it
            else:
                remote.drop(pair.there.number)
        if self.name == "named":
            self.primitive.unlink()
        self.primitive = None

    def end(self):
        if self.remote is not None:
            self.remote.end()


@pytest.fixture(
    scope="module",
    params=[
        (engine, way, faces)
        for engine in ENGINES
        for faces in FACES
        for way in WAYS.get(faces, engine.ways)
    ],
    ids=lambda param: "-".join((param[0].name, *param[1:])).removesuffix("-sync"),
)
def way(request):
    engine, name, faces = request.param
    items = [
        item
        for item in request.session.items
        if item.path == request.path
        and getattr(item, "callspec", None) is not None
        and item.callspec.params.get("way") == request.param
    ]
    way = Way(engine, name, faces, items)
    way.remote, way.ready = way.start(way.wanted)  # before the reaper counts who is there
    yield way
    way.end()


@pytest.fixture
def pair(request, way):
    pair = way.pair(request.node.nodeid, request.node.get_closest_marker("kills") is not None)
    yield pair
    way.give_back(pair)


@pytest.fixture
def memory(tmp_path):
    """Plain memory that all processes share, for what a lock is to guard: the path of a file of zeros."""
    path = tmp_path / "memory"
    path.write_bytes(bytes(4096))
    return str(path)
