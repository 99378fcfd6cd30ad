"""A picture as text: trees, those who hold everything up at the roots."""

from rich.text import Text
from rich.tree import Tree

from latchwork.cli.picture import Arrow, Box, Picture

OF_PARTS = {"its thread": "is a thread of", "runs in": "runs"}
Arrows = dict[str, list[Arrow]]


def trees(picture: Picture) -> list[list[Tree]]:
    """For each component its trees: one for each root."""
    into: Arrows = {key: [] for key in picture.boxes}
    goes_on = {arrow.source for arrow in picture.arrows.values()}
    for arrow in picture.arrows.values():
        into[arrow.target].append(arrow)
    found = []
    for boxes in picture.components():
        # Who waits for nobody is at the root; of a circle one of those who are stuck in it.
        roots = sorted(boxes, key=lambda box: (box.key in goes_on, not box.stuck, box.is_primitive))
        seen: set[str] = set()
        grown = [_grow(root, picture, into, seen) for root in roots if root.key not in seen]
        found.append(grown)
    return found


def _grow(root: Box, picture: Picture, into: Arrows, seen: set[str]) -> Tree:
    """Hang below each box those that point at it. No recursion: a chain may be long."""
    tree = Tree(_label(root, None, False), guide_style="dim")
    seen.add(root.key)
    work = [(tree, root)]
    while work:
        branch, box = work.pop()
        for arrow in into[box.key]:
            other = picture.boxes[arrow.source]
            again = other.key in seen
            below = branch.add(_label(other, arrow, again))
            if not again:
                seen.add(other.key)
                work.append((below, other))
    return tree


def _label(box: Box, arrow: Arrow | None, again: bool) -> Text:
    """How it hangs on the box above it, and what it is."""
    text = Text()
    if arrow is not None:
        text.append(_from_the_target(arrow), "red" if arrow.stuck else "dim")
    plain = "bold cyan" if box.is_primitive else "bold"
    text.append(box.lines[0], "bold red" if box.stuck else plain)
    rest = ", as above" if again else "".join(f"  {line}" for line in box.lines[1:])
    return text.append(rest, "red" if box.stuck else "dim")


def _from_the_target(arrow: Arrow) -> str:
    """What is held is had by the one above it in the tree, and a part is that one."""
    if arrow.is_part:
        return f"{OF_PARTS.get(arrow.label, arrow.label)}: "
    if not arrow.is_hold:
        return f"{arrow.label}: "
    verb = {"read": "reads", "written": "writes"}.get(arrow.verb, "holds")
    return f"{verb}, for {arrow.lasts}: " if arrow.lasts else f"{verb} "
