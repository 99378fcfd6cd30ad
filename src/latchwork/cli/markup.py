"""A picture in the languages of Graphviz and Mermaid."""

import html

from latchwork.cli.picture import Box, Picture

RED = "#c4122f"


def dot(picture: Picture) -> str:
    """For ``dot -Tsvg``."""
    names = _names(picture)
    lines = [
        "digraph latchwork {",
        '  node [fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    for key, box in picture.boxes.items():
        shape = "ellipse" if box.is_primitive else "box, style=rounded"
        red = f', color="{RED}", fontcolor="{RED}", penwidth=2' if box.stuck else ""
        lines.append(f"  {names[key]} [label={_quoted(box)}, shape={shape}{red}];")
    for arrow in picture.arrows.values():
        red = f', color="{RED}", fontcolor="{RED}", penwidth=2' if arrow.stuck else ""
        dashed = ", style=dashed" if arrow.is_part else ""
        lines.append(
            f"  {names[arrow.source]} -> {names[arrow.target]} "
            f'[label="{_in_quotes(arrow.label)}"{dashed}{red}];'
        )
    return "\n".join([*lines, "}", ""])


def _names(picture: Picture) -> dict[str, str]:
    """Identifiers that need no quotes anywhere."""
    return {key: f"n{number}" for number, key in enumerate(picture.boxes)}


def _quoted(box: Box) -> str:
    return '"' + "\\n".join(_in_quotes(line) for line in box.lines) + '"'


def _in_quotes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def mermaid(picture: Picture) -> str:
    """For Markdown, in a block that is marked ``mermaid``."""
    names = _names(picture)
    lines = ["flowchart TD"]
    for key, box in picture.boxes.items():
        label = "<br/>".join(_entities(line) for line in box.lines)
        opening, closing = ('(["', '"])') if box.is_primitive else ('["', '"]')
        lines.append(f"  {names[key]}{opening}{label}{closing}")
    for arrow in picture.arrows.values():
        line = "-.->" if arrow.is_part else "-->"
        lines.append(
            f'  {names[arrow.source]} {line}|"{_entities(arrow.label)}"| {names[arrow.target]}'
        )
    stuck = [names[key] for key, box in picture.boxes.items() if box.stuck]
    if stuck:
        lines.append(f"  classDef deadlock stroke:{RED},color:{RED},stroke-width:2px")
        lines.append(f"  class {','.join(stuck)} deadlock")
    red = [str(number) for number, arrow in enumerate(picture.arrows.values()) if arrow.stuck]
    if red:
        lines.append(f"  linkStyle {','.join(red)} stroke:{RED},color:{RED},stroke-width:2px")
    return "\n".join([*lines, ""])


def _entities(text: str) -> str:
    """Mermaid has entities as HTML has them, with a # for the &."""
    text = text.replace("#", "#35;").replace("&", "#amp;")
    for letter, entity in (("<", "#lt;"), (">", "#gt;"), ('"', "#quot;"), ("`", "#96;")):
        text = text.replace(letter, entity)
    return text.replace("\\", "#92;")


def xml(text: str) -> str:
    """Text in XML: also free of what XML can't have at all."""
    return html.escape(
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )
