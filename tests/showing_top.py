"""`latchwork` on views made by hand: argv is which of them, and the command line."""

import itertools
import os
import sys
from dataclasses import replace

import views_by_hand as hand

from latchwork.cli import main, source

looks = itertools.count()


def busy(_look):
    return hand.busy()


def deadlock(_look):
    return [*hand.busy(), hand.cycle([301, 302, 303])]


def changing(look):
    """One goes to another owner at each look, for one the wait goes on, one is gone after a while."""
    names = ("goes", "stays") if look < 3 else ("goes", "stays", "comes")
    views = hand.view(
        *(
            hand.primitive(
                "Lock",
                name,
                id=f"5:{name}",
                owners=(
                    hand.owner(100 + look, ago=1 - look) if name == "goes" else hand.owner(100),
                ),
            )
            for name in names
        )
    )
    return [replace(views, taken=views.taken + look)]


def failing(look):
    if look > 1:
        raise OSError(28, "no space")
    return hand.busy()


def many(_look):
    return [hand.view(*(hand.primitive("Event", f"e{n:05}", id=str(n)) for n in range(3000)))]


def forced_through(_look):
    return hand.hostile()


MADE = globals()[sys.argv[1]]


def look(namespace=None):
    if os.environ.get("LOOKS"):
        with open(os.environ["LOOKS"], "a") as file:
            file.write("look\n")
    return MADE(next(looks))


source.look = look
if os.environ.get("NEVER_ENDS"):
    from latchwork.cli.screen import Top

    Top.exit = lambda self, *result: None
sys.exit(main(sys.argv[2:]))
