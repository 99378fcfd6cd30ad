"""Views as `latchwork.inspect.views()` would give them, of processes that there need not be."""

import time

from latchwork.inspect import Member, Owner, Statistics, View, Waiter

NOW = time.time()


def owner(pid, program="train.py", *, thread=..., ago=3.1, **more):
    return Owner(pid, pid if thread is ... else thread, program, NOW - ago, **more)


def waiter(pid, program="train.py", *, thread=None, ago=2.0, wants="acquire", line=None, **more):
    stack = (f"/srv/{program}:{line} in work", f"/srv/{program}:40 in main") if line else ()
    return Waiter(pid, thread or pid, program, NOW - ago, wants, stack=stack, **more)


def primitive(kind, name=None, *, id, state="held", place=None, namespace="default", **more):
    if name is None:
        namespace = None
    return Statistics(kind, name, namespace, place, id, state, taken=NOW, **more)


def view(*primitives, namespace="default", program=None, root=None, path="/dev/shm/x/namespace-d"):
    found = {}
    for one in primitives:
        for who in (*one.owners, *one.waiters):
            found[who.pid] = Member(who.pid, who.program, NOW - 100)
    if root is not None:
        found[root] = Member(root, program, NOW - 100)
    return View(namespace, program, root, path, tuple(found.values()), primitives, NOW)


def cycle(pids, kind="RLock"):
    """Each holds one, and waits for that of the next."""
    made = []
    for number, pid in enumerate(pids):
        before = pids[number - 1]
        made.append(
            primitive(
                kind,
                "abcdefghijkl"[number],
                id=f"9:{number + 1}",
                owners=(owner(pid, f"p{number}.py", exclusive=kind == "RLock"),),
                waiters=(waiter(before, f"p{(number - 1) % len(pids)}.py", line=10 + number),),
            )
        )
    return view(*made)


def busy():
    """A namespace and a program, with something of everything."""
    return [
        view(
            primitive(
                "Lock",
                "build",
                id="1:1",
                owners=(owner(100, "make.py"),),
                waiters=(
                    waiter(101, "make.py", ago=2.9, line=12, thread_name="MainThread"),
                    waiter(102, "test.py", ago=1.0, until=NOW + 30),
                ),
            ),
            primitive("Event", "ready", id="1:2", state="set"),
            primitive("Semaphore", "tokens", id="1:3", state="available", value=2),
            primitive(
                "BoundedSemaphore",
                "gpus",
                id="1:4",
                state="exhausted",
                value=0,
                limit=2,
                owners=(
                    owner(100, "make.py", thread=None, ago=65),
                    owner(103, "serve.py", thread=None, ago=4000),
                ),
                waiters=(waiter(104, "serve.py", ago=0.2),),
            ),
            primitive("Lock", "index", id="1:5", state="free", abandoned=1),
        ),
        view(
            primitive("Lock", id="2:1", state="free", place="train.py:7"),
            primitive(
                "RWLock",
                id="2:2",
                state="read",
                place="/srv/train.py:8",
                owners=(
                    owner(200, thread=None, mode="read", count=2),
                    owner(201, thread=None, mode="read"),
                ),
                waiters=(waiter(202, wants="write"), waiter(203, wants="read", ago=1.0)),
            ),
            primitive(
                "Barrier",
                id="2:3",
                state="filling",
                value=1,
                limit=3,
                waiters=(waiter(204, wants="wait", ago=700),),
            ),
            namespace=None,
            program="train.py",
            root=200,
            path="/dev/shm/x/program-1",
        ),
    ]


def hostile():
    """A name that would clear the screen, write a colour, close a tag and a quote."""
    name = '\x1b[2J\x1b[31m</text><script>"x" & `y`\\\t[bold]'
    return [
        view(
            primitive(
                "Lock",
                name,
                id="1:1",
                owners=(owner(100, "a\nb.py"),),
                waiters=(waiter(101, '<"&>.py', line=1),),
            )
        )
    ]
