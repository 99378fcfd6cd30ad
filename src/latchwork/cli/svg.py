"""A picture as SVG: a file that stands alone, laid out by grandalf's way of drawing in layers."""

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from latchwork.cli.markup import RED, xml
from latchwork.cli.picture import Arrow, Box, Picture

LETTER, LINE = 7.3, 17  # of a 12 px monospaced font; labels have 11 px
MARGIN, GAP = 24, 48
SIDE, BELOW = 40, 64  # between boxes
BESIDE = 0.3  # of the way from who waits or holds is where the label of the arrow is
APART = 0.55  # of the distance of two boxes is between the labels of their arrows to the same third
ROW = 1500  # components go side by side up to this width
INK, PAPER, FAINT, BLUE = "#1f2328", "#ffffff", "#6e7781", "#0b5cad"

Point = tuple[float, float]

STYLE = f"""\
  text {{ font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: {INK} }}
  .title {{ font-weight: bold }}
  .label {{ font-size: 11px; fill: {FAINT} }}
  .behind {{ fill: {PAPER} }}
  .box {{ fill: #f6f8fa; stroke: {INK}; stroke-width: 1.2 }}
  .primitive {{ fill: #e7f1fb; stroke: {BLUE}; stroke-width: 1.2 }}
  .arrow {{ fill: none; stroke: {FAINT}; stroke-width: 1.4 }}
  .head {{ fill: {FAINT} }}
  .part {{ stroke-dasharray: 5 4 }}
  .stuck.box, .stuck.primitive {{ fill: #fdecee; stroke: {RED}; stroke-width: 2.2 }}
  .stuck.arrow {{ stroke: {RED}; stroke-width: 2.2 }}
  .stuck.head, .stuck.label, .stuck.title {{ fill: {RED} }}
"""


@dataclass(slots=True)
class Place:
    """Where a box is: its middle, and the room it has. As grandalf wants to have it: w, h and xy."""

    w: float
    h: float
    drawn: float
    """How wide it is: the labels of its arrows may need more room."""
    xy: Point = (0.0, 0.0)


@dataclass(slots=True)
class Route:
    """The points that an arrow goes by. As grandalf wants it: setpath."""

    points: list[Point] = field(default_factory=list)

    def setpath(self, points: list[Point]) -> None:
        """Told by grandalf."""
        self.points = [(float(x), float(y)) for x, y in points]


def svg(picture: Picture, title: str) -> str:
    """The whole file."""
    places: dict[str, Place] = {}
    routes: dict[tuple[str, str], Route] = {}
    right = bottom = float(MARGIN)
    left, top = float(MARGIN), float(MARGIN + 2 * LINE)
    for boxes in picture.components():
        width, height = _lay_out(picture, boxes, places, routes)
        if left > MARGIN and left + width > ROW:
            left, top = float(MARGIN), bottom + GAP
        _move(boxes, picture, places, routes, left, top)
        left += width + GAP
        right, bottom = max(right, left - GAP), max(bottom, top + height)
    parts = [
        *(part for arrow in picture.arrows.values() for part in _arrow(arrow, places, routes)),
        *(part for box in picture.boxes.values() for part in _box(box, places[box.key])),
        *_legend(bottom + GAP / 2),
    ]
    width = max(right + MARGIN, 620, len(title) * LETTER + 2 * MARGIN)
    height = bottom + GAP / 2 + LINE + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" '
            f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">',
            f"<title>{xml(title)}</title>",
            f"<style>\n{STYLE}</style>",
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            _text(MARGIN, MARGIN + 4, title, "title" + _red(picture.has_deadlock), "start"),
            *parts,
            "</svg>",
            "",
        ]
    )


def _red(stuck: bool) -> str:
    return " stuck" if stuck else ""


def _columns(text: str) -> int:
    """How many columns of a monospaced font it takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _size(box: Box, arrows: list[Arrow]) -> Place:
    wide = max(map(_columns, box.lines)) * LETTER + (44 if box.is_primitive else 26)
    labels = [
        len(arrow.label) * LETTER / APART - SIDE
        for arrow in arrows
        if not box.is_primitive and box.key in (arrow.source, arrow.target)
    ]
    return Place(max([wide, *labels]), len(box.lines) * LINE + 16, wide)


def _lay_out(
    picture: Picture,
    boxes: list[Box],
    places: dict[str, Place],
    routes: dict[tuple[str, str], Route],
) -> Point:
    """Give the boxes of a component their places, from (0, 0) on; the size of it all."""
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout
    from grandalf.routing import route_with_lines

    vertices: dict[str, Any] = {}
    arrows = _inside(picture, boxes)
    for box in boxes:
        vertices[box.key] = Vertex(box.key)
        vertices[box.key].view = places[box.key] = _size(box, arrows)
    edges = []
    for arrow in arrows:
        edge = Edge(vertices[arrow.source], vertices[arrow.target])
        edge.view = routes[arrow.source, arrow.target] = Route()
        edges.append(edge)
    layout = SugiyamaLayout(Graph(list(vertices.values()), edges).C[0])
    layout.route_edge = route_with_lines
    layout.xspace, layout.yspace = SIDE, BELOW
    layout.init_all()
    layout.draw(8)
    lefts = [place.xy[0] - place.w / 2 for place in _places(boxes, places)]
    tops = [place.xy[1] - place.h / 2 for place in _places(boxes, places)]
    points = [point for arrow in arrows for point in routes[arrow.source, arrow.target].points]
    left, top = min([*lefts, *(x for x, _ in points)]), min(tops)
    _move(boxes, picture, places, routes, -left, -top)
    right = max(
        [place.xy[0] + place.w / 2 for place in _places(boxes, places)]
        + [x - left for x, _ in points]
    )
    return right, max(place.xy[1] + place.h / 2 for place in _places(boxes, places))


def _places(boxes: list[Box], places: dict[str, Place]) -> Iterator[Place]:
    return (places[box.key] for box in boxes)


def _inside(picture: Picture, boxes: list[Box]) -> list[Arrow]:
    keys = {box.key for box in boxes}
    return [arrow for arrow in picture.arrows.values() if arrow.source in keys]


def _move(
    boxes: list[Box],
    picture: Picture,
    places: dict[str, Place],
    routes: dict[tuple[str, str], Route],
    right: float,
    down: float,
) -> None:
    for place in _places(boxes, places):
        place.xy = (place.xy[0] + right, place.xy[1] + down)
    for arrow in _inside(picture, boxes):
        route = routes[arrow.source, arrow.target]
        route.points = [(x + right, y + down) for x, y in route.points]


def _text(x: float, y: float, text: str, names: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{names}">{xml(text)}</text>'
    )


def _box(box: Box, place: Place) -> Iterator[str]:
    x, y = place.xy[0] - place.drawn / 2, place.xy[1] - place.h / 2
    kind = "primitive" if box.is_primitive else "box"
    round_by = place.h / 2 if box.is_primitive else 6
    yield (
        f'<g id="{xml(box.key)}"><rect x="{x:.1f}" y="{y:.1f}" width="{place.drawn:.1f}" '
        f'height="{place.h:.1f}" rx="{round_by:.1f}" class="{kind}{_red(box.stuck)}"/>'
    )
    for number, line in enumerate(box.lines):
        names = "title" + _red(box.stuck) if number == 0 else "line"
        yield _text(place.xy[0], y + 8 + LINE * (number + 0.72), line, names)
    yield "</g>"


def _arrow(
    arrow: Arrow, places: dict[str, Place], routes: dict[tuple[str, str], Route]
) -> Iterator[str]:
    source, target = places[arrow.source], places[arrow.target]
    # The first and the last point are where the layout would have it: go to the borders of the boxes.
    between = routes[arrow.source, arrow.target].points[1:-1]
    start = _border(source, between[0] if between else target.xy)
    end = _border(target, between[-1] if between else source.xy)
    points = [start, *between, end]
    back = (arrow.target, arrow.source) in routes
    if back and not between:
        points = [start, _aside(start, end), end]
    names = f"arrow{_red(arrow.stuck)}" + (" part" if arrow.is_part else "")
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    yield f'<path d="M{path}" class="{names}"/>'
    yield _head(points[-2], end, arrow.stuck)
    x, y = _along(points, 1 - BESIDE if arrow.is_hold else BESIDE)
    wide = len(arrow.label) * LETTER
    yield f'<rect x="{x - wide / 2:.1f}" y="{y - 8:.1f}" width="{wide:.1f}" height="15" class="behind"/>'
    yield _text(x, y + 4, arrow.label, f"label{_red(arrow.stuck)}")


def _border(place: Place, towards: Point) -> Point:
    """Where a line from the middle of a box leaves it."""
    across, down = towards[0] - place.xy[0], towards[1] - place.xy[1]
    if not across and not down:
        return place.xy
    share = min(
        place.drawn / 2 / abs(across) if across else math.inf,
        place.h / 2 / abs(down) if down else math.inf,
    )
    return place.xy[0] + across * share, place.xy[1] + down * share


def _aside(start: Point, end: Point) -> Point:
    """Of two arrows that go to and fro, each keeps to its right."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down) or 1.0
    return (
        (start[0] + end[0]) / 2 - down / length * 70,
        (start[1] + end[1]) / 2 + across / length * 14,
    )


def _along(points: list[Point], share: float) -> Point:
    """The point at that share of the way."""
    lengths = [math.dist(a, b) for a, b in pairwise(points)]
    left = sum(lengths) * share
    for length, (a, b) in zip(lengths, pairwise(points), strict=True):
        if left <= length and length:
            return a[0] + (b[0] - a[0]) * left / length, a[1] + (b[1] - a[1]) * left / length
        left -= length
    return points[0]


def _head(before: Point, end: Point, stuck: bool) -> str:
    angle = math.atan2(end[1] - before[1], end[0] - before[0])
    corners = [end] + [
        (end[0] - 10 * math.cos(angle + turn), end[1] - 10 * math.sin(angle + turn))
        for turn in (0.42, -0.42)
    ]
    shape = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon points="{shape}" class="head{_red(stuck)}"/>'


def _legend(y: float) -> Iterator[str]:
    x = float(MARGIN)
    for names, text in (
        ("box", "who waits or holds"),
        ("primitive", "a primitive"),
        ("box stuck", "part of a deadlock"),
    ):
        round_by = 8 if "primitive" in names else 3
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="26" height="16" rx="{round_by}" class="{names}"/>'
        )
        yield _text(x + 34, y + 12.5, text, "line", "start")
        x += 34 + len(text) * LETTER + 24
