"""What is in the directories of the arenas that is of no use to anybody."""

import os
from collections.abc import Iterator

from latchwork import cleaning
from latchwork.doctor.finding import Finding, fine, note, size, wrong


def files() -> Iterator[Finding]:
    """Arenas that nobody uses or can use, and what is no arena."""
    found = cleaning.clean(dry_run=True)
    unused = [one for one in found if one.removed]
    if unused:
        total = size(sum(one.size for one in unused))
        what = "file that nobody uses" if len(unused) == 1 else "files that nobody uses"
        do = "latchwork clean (the next program that uses Latchwork does so, too)"
        yield note("leftovers", f"{len(unused)} {what}, {total}", do)
    for one in found:
        if one.is_trouble:
            do = "end who uses it, look what it is, and remove it"
            yield wrong("leftovers", f"{one.path}: {one.why}", do)
        elif not one.removed and not one.in_use:
            yield note("leftovers", f"{one.path}: {one.why}")
    if all(one.in_use for one in found):
        yield fine("leftovers", "none")


def _members() -> Iterator[int]:
    """The pids of all living members of all arenas."""
    for one in cleaning.clean(dry_run=True):
        if one.in_use:
            yield from cleaning.users(one.path)


def elsewhere() -> Iterator[Finding]:
    """Members that live, and can't be seen from here."""
    hidden = sum(not os.path.exists(f"/proc/{pid}") for pid in _members())
    if hidden:
        yield note(
            "members",
            f"{hidden} of another pid namespace: only the kernel's mark tells of their deaths",
            "give containers that share the directory the same pids",
        )
