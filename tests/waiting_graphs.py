"""Facts made by hand, and every order in which things might go on, tried by brute force."""

from collections import defaultdict
from dataclasses import dataclass, replace

from latchwork.inspect import Node, Owner, Statistics, View, Waiter

LONG_AGO, BEGAN = 1000.0, 2000.0


def owner(pid, thread=None, **more):
    return Owner(pid, thread, f"p{pid}.py", more.pop("since", LONG_AGO), **more)


def waiter(pid, thread, since=BEGAN, wants="acquire", **more):
    stack = more.pop("stack", (f"p{pid}.py:{thread} in work",))
    more.setdefault("thread_name", f"T{thread}")
    return Waiter(pid, thread, f"p{pid}.py", since, wants, stack=stack, **more)


def primitive(kind, name, owners=(), waiters=(), **more):
    state = "held" if owners else "free"
    return Statistics(
        kind, name, None, None, name, state, owners=tuple(owners), waiters=tuple(waiters), **more
    )


def view(*primitives, path="/arena"):
    return View(None, "p.py", 1, path, (), primitives, 3000.0)


def threads(**of):
    """``p1=(11, 12)``: what threads process 1 has."""
    return lambda pid: frozenset(of.get(f"p{pid}", ()))


def thread(pid, number):
    return Node(pid, "thread", number)


@dataclass(frozen=True)
class Place:
    """One primitive of a world. Who holds: threads (Lock, RLock), or processes as often as they do."""

    kind: str
    limit: int = 1
    holders: tuple = ()
    mode: str = ""  # of a RWLock that is held
    queue: tuple = ()  # (thread, wants), first come first


@dataclass(frozen=True)
class World:
    """Who holds what and who waits where: threads are pairs of a process and a number."""

    threads: tuple
    places: tuple
    patient: frozenset  # those that wait without a timeout

    def waiting(self):
        return {who for place in self.places for who, _ in place.queue}

    def running(self):
        return set(self.threads) - self.waiting()

    def _with(self, number, **change):
        places = list(self.places)
        places[number] = replace(places[number], **change)
        return replace(self, places=tuple(places))

    def moves(self):
        """Every state that may come next by one legal step: a release, a grant, a timeout."""
        running = self.running()
        able = running | {pid for pid, _ in running}
        for number, place in enumerate(self.places):
            for holder in set(place.holders) & able:
                left = list(place.holders)
                left.remove(holder)
                yield self._with(number, holders=tuple(left))
            for who, wants in place.queue:
                rest = tuple(entry for entry in place.queue if entry[0] != who)
                if who not in self.patient or wants == "wait":
                    yield self._with(number, queue=rest)
                elif (change := self._granted(place, who, wants)) is not None:
                    yield self._with(number, queue=rest, **change)

    def _granted(self, place, who, wants):
        ahead = place.queue[: place.queue.index((who, wants))]
        if place.kind in ("Lock", "RLock"):
            return None if place.holders else {"holders": (who,)}
        if place.kind == "BoundedSemaphore":
            full = len(place.holders) >= place.limit or ahead
            return None if full else {"holders": (*place.holders, who[0])}
        if any(before == "write" for _, before in ahead):
            return None
        if place.holders and "write" in (wants, place.mode):
            return None
        return {"holders": (*place.holders, who[0]), "mode": wants}

    def stuck(self):
        """The threads that wait in every state that can ever be reached."""
        seen, ahead, stuck = {self}, [self], set(self.threads)
        while ahead and stuck:
            world = ahead.pop()
            stuck &= world.waiting()
            for following in world.moves():
                if following not in seen:
                    seen.add(following)
                    ahead.append(following)
        return {thread(*who) for who in stuck}

    def view(self):
        """What inspection would give of it."""
        return view(*(self._seen(number, place) for number, place in enumerate(self.places)))

    def _seen(self, number, place):
        count = defaultdict(int)
        for holder in place.holders:
            count[holder] += 1
        owners = [
            owner(*holder, exclusive=place.kind == "RLock")
            if isinstance(holder, tuple)
            else owner(holder, count=times, mode=place.mode or "held")
            for holder, times in count.items()
        ]
        waiters = [
            waiter(*who, BEGAN + at, wants, until=None if who in self.patient else BEGAN + 60)
            for at, (who, wants) in enumerate(place.queue)
        ]
        facts = {}
        if place.kind == "BoundedSemaphore":
            facts = {"value": place.limit - len(place.holders), "limit": place.limit}
        return primitive(place.kind, f"{place.kind}{number}", owners, waiters, **facts)

    def living(self, pid):
        return frozenset(number for process, number in self.threads if process == pid)
