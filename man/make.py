"""Make man/latchwork.1 of the commands themselves and of what `latchwork.1.in` says.

    python man/make.py [--check]

With --check nothing is written, and the exit status is 1 if the page is not up to date.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

import latchwork
from latchwork.cli.commands import latchwork_command

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "latchwork.1.in"
PAGE = HERE / "latchwork.1"


def escaped(text: str) -> str:
    """As roff wants it: what looks like a request, a font or a hyphen is none."""
    text = text.replace("\\", "\\(rs").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\`")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def prose(text: str) -> str:
    """A paragraph, with what stands in backquotes in bold."""
    parts = " ".join(text.split()).split("`")
    roff = "".join(f"\\fB{escaped(p)}\\fR" if n % 2 else escaped(p) for n, p in enumerate(parts))
    lines = textwrap.wrap(roff, 78, break_long_words=False, break_on_hyphens=False)
    # What begins a line only because it was wrapped there is no request, either.
    return "\n".join("\\&" + line if line.startswith(".") else line for line in lines)


def paragraphs(help_text: str) -> Iterator[str]:
    """The help of a command; what click is not to wrap is not filled here."""
    for block in re.split(r"\n\s*\n", help_text.partition("\f")[0].strip()):
        head, _, rest = block.partition("\n")
        if head.strip() != "\b":
            yield f".PP\n{prose(block)}"
            continue
        lines = rest.split("\n")
        if lines[0].rstrip().endswith(":"):
            yield f".PP\n{prose(lines.pop(0))}"
        yield "\n".join(
            [".PP", ".nf", ".RS 4", *(escaped(line.strip()) for line in lines), ".RE", ".fi"]
        )


def metavar(parameter: click.Parameter) -> str:
    """What stands for its value."""
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    return (parameter.metavar or parameter.name or "").upper()


def argument(parameter: click.Argument) -> str:
    """How it stands in the synopsis."""
    shown = f"\\fI{escaped(metavar(parameter))}\\fR" + ("\\&..." if parameter.nargs == -1 else "")
    return shown if parameter.required else f"[{shown}]"


def option(parameter: click.Option) -> str:
    """Its switches, and what it is for."""
    names = sorted(parameter.opts, key=len) + parameter.secondary_opts
    switches = ", ".join(f"\\fB{escaped(name)}\\fR" for name in names)
    if not parameter.is_flag and not parameter.count:
        switches += f" \\fI{escaped(metavar(parameter))}\\fR"
    says = prose(parameter.help or "")
    if parameter.show_default and parameter.default not in (None, False):
        says += f" Default: {escaped(str(parameter.default))}."
    return f".TP\n{switches}\n{says}"


def section(path: str, command: click.Command) -> Iterator[str]:
    """A command, and those below it."""
    if isinstance(command, click.Group):
        yield f".SS {escaped(path)}"
        yield "\n".join(paragraphs(command.help or "")).removeprefix(".PP\n")
        for name, inner in command.commands.items():
            yield from section(f"{path} {name}", inner)
        return
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    arguments = [argument(one) for one in command.params if isinstance(one, click.Argument)]
    pieces = [
        f"\\fBlatchwork {escaped(path)}\\fR",
        *(["[\\fIoption\\fR]\\&..."] if options else []),
        *arguments,
    ]
    yield f".SS {escaped(path)}"
    yield " ".join(pieces)
    yield from paragraphs(command.help or "")
    yield from map(option, options)


def made() -> str:
    """The page."""
    context = click.Context(latchwork_command)
    commands: list[str] = []
    for name in latchwork_command.list_commands(context):
        command = latchwork_command.get_command(context, name)
        assert command is not None
        commands += section(name, command)
    page = TEMPLATE.read_text().replace("@VERSION@", latchwork.__version__)
    return page.replace("@COMMANDS@\n", "\n".join(commands) + "\n")


def main() -> int:
    """Write it, or look whether it is as it would be written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        if PAGE.exists() and PAGE.read_text() == made():
            return 0
        print("man/latchwork.1 is not up to date: python man/make.py", file=sys.stderr)
        return 1
    PAGE.write_text(made())
    return 0


if __name__ == "__main__":
    sys.exit(main())
