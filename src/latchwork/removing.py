"""Taking names away from outside, whatever has them."""

from latchwork import directory, program, sites
from latchwork.primitives._primitive import DEFAULT_NAMESPACE, check_name, digest


def unlink(name: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
    """Take a name away; whether there was such a name.

    As `unlink()` of the primitive itself, but of whatever kind it is, and without becoming a member of
    its namespace. Those who have the primitive keep it; the next one to ask for the name gets a new one.
    """
    text = check_name(name).encode("utf-8", "surrogatepass")
    found = directory.find(program.namespace_file(check_name(namespace, "namespace")))
    if found is None:
        return False
    path, arena = found
    try:
        locks = [
            sites.lock_of((slot, generation))
            for slot, generation, _, taken, *_ in arena.survey(None)
            if taken == text
        ]
        there = arena.unlink(digest(text))
        for lock in locks:  # there is one if it is a Condition's name
            arena.unlink(digest(lock.encode()))
        directory.leave(path, arena)  # if that was all that it was kept for
    finally:
        arena.close()
    return there
