"""The live screen of `latchwork top`."""

import asyncio
import contextlib
import os
import signal
import threading
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from latchwork.cli import describe, exits, source
from latchwork.cli.ages import age
from latchwork.cli.columns import GAP, RIGHT, SORTED_BY, SORTS, filtered, fitted, widths
from latchwork.cli.detail import detail
from latchwork.cli.output import printable
from latchwork.cli.rates import Rates
from latchwork.cli.rows import Row, rows
from latchwork.errors import LatchworkError
from latchwork.inspect import Graph, View, graph

AT_MOST = 500  # rows: nobody reads more, and each costs time at each look
OF_THE_TABLE = frozenset({"sort", "filter", "no_filter", "everything"})
PATIENCE = 2.0  # seconds for the end after a signal
ENDS = (signal.SIGTERM, signal.SIGHUP)


class Table(DataTable[Text]):
    """A table whose Enter is told of in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Into", key_display="⏎"),
    ]


class One(Screen[None]):
    """All of one primitive."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,backspace", "app.pop_screen", "Back", key_display="Esc"),
        Binding("p", "app.pause", "Pause"),
        Binding("q", "app.leave", "Quit"),
    ]

    def __init__(self, wanted: str) -> None:
        super().__init__()
        self.wanted = wanted
        self._text = Static(id="detail")  # may be told before it is on the screen

    def compose(self) -> ComposeResult:
        """The text may be longer than the screen."""
        with VerticalScroll():
            yield self._text
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Show what is known already."""
        self.query_one(VerticalScroll).focus()
        app = self.app
        assert isinstance(app, Top)
        self.update(app.views, app.graph)

    def update(self, views: list[View], waits: Graph) -> None:
        """Show it as it is now."""
        for view in views:
            for primitive in view.primitives:
                if primitive.id == self.wanted:
                    self._text.update(detail(view, primitive, waits))
                    return
        self._text.update(Text("It is gone.", "yellow"))


class Top(App[int]):
    """A table that looks again and again."""

    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #head { height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    DataTable { height: 1fr; overflow-x: hidden; background: ansi_default; }
    DataTable > .datatable--header { background: ansi_default; color: ansi_default; }
    DataTable > .datatable--cursor, DataTable:focus > .datatable--cursor {
        background: ansi_default; text-style: bold reverse;
    }
    #detail { width: 100%; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "Table"
    TITLE = "latchwork top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "sort('longest')", "Longest"),
        Binding("c", "sort('waiting')", "Crowd"),
        Binding("h", "sort('held')", "Held"),
        Binding("r", "sort('rate')", "Rate"),
        Binding("n", "sort('name')", "Name"),
        # At once: what is typed ahead of the screen is part of the text already.
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("a", "everything", "All"),
        Binding("p", "pause", "Pause"),
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "interrupted", show=False, priority=True),
        Binding("escape", "no_filter", show=False),
    ]

    def __init__(self, namespace: str | None, interval: float, sort: str, pattern: str) -> None:
        super().__init__(ansi_color=True)
        self.namespace = namespace
        self.interval = interval
        self.order = sort
        self.pattern = pattern
        self.views: list[View] = []
        self.graph = graph([])
        self._rates = Rates()
        self._rows: list[Row] = []
        self._paused = False
        self._everything = False
        self._problem: str | None = None
        self._widths: dict[str, int] = {}

    def live(self) -> int:
        """Run it on this terminal; the exit status."""
        status = self.run()
        return status if status is not None else self.return_code or exits.OK

    def compose(self) -> ComposeResult:
        """A line above, the table, the keys below."""
        yield Static(id="head")
        yield Input(self.pattern, placeholder="only rows that contain this", id="filter")
        yield Table(cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable")
        yield Footer(show_command_palette=False, compact=True)

    @property
    def table(self) -> Table:
        """The table, whatever screen is in front of it."""
        return self.screen_stack[0].query_one(Table)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the table do nothing, and are not shown, where it is not."""
        if action == "filter" and isinstance(self.focused, Input):
            return False
        return action not in OF_THE_TABLE or not isinstance(self.screen, One)

    async def on_mount(self) -> None:
        """Begin to look. Whoever ends it finds the terminal as it was."""
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, self._end_by, number)
        self.screen.set_focus(self.table)
        await self.look()
        self.set_interval(self.interval, self.look)

    def _end_by(self, number: int) -> None:
        """Leave in good order; but for a terminal that is gone the order would be waited for in vain."""
        status = exits.SIGNAL + number
        net = threading.Timer(PATIENCE, os._exit, (status,))
        net.daemon = True
        net.start()
        self.exit(status)

    async def look(self) -> None:
        """Look once, beside the loop: keys are answered meanwhile."""
        if self._paused:
            return
        try:
            self.views = await asyncio.to_thread(source.look, self.namespace)
            self._problem = None
        except (LatchworkError, OSError) as error:
            self._problem = printable(getattr(error, "strerror", None) or str(error))
        self.graph = await asyncio.to_thread(graph, self.views)
        if not self.screen_stack:  # it ended meanwhile
            return
        self._rates.look(self.views)
        self._rows = rows(self.views, self.graph)
        self._show()
        if isinstance(self.screen, One):
            self.screen.update(self.views, self.graph)

    def _show(self) -> None:
        """Fill the table anew; the cursor stays on the same primitive."""
        table = self.table
        shown = filtered(self._rows, self.pattern, everything=self._everything)
        shown.sort(key=SORTS[self.order](self._rates))
        chosen, scrolled = self._chosen(), table.scroll_y
        with self.batch_update():
            self._make_columns(table)
            for row in shown[:AT_MOST]:
                cells = fitted(row, self._rates, self._widths)
                table.add_row(*cells, key=row.primitive.id)
            if chosen is not None and chosen in table.rows:
                table.move_cursor(row=table.get_row_index(chosen), scroll=False)
            table.scroll_to(y=scrolled, animate=False)
            self._write_head(len(shown))

    def _make_columns(self, table: Table) -> None:
        width = widths(self.size.width)
        titles = SORTED_BY[self.order]
        table.clear(columns=True)
        self._widths = width
        for title, wide in width.items():
            text = title.rjust(wide) if title in RIGHT else title
            style = "bold reverse" if title == titles else "bold"
            table.add_column(Text(text, style), width=wide + GAP, key=title)

    def _chosen(self) -> str | None:
        table = self.table
        if not table.is_valid_row_index(table.cursor_row):
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def _write_head(self, number: int) -> None:
        held = sum(bool(row.primitive.owners) for row in self._rows)
        text = Text(f"{describe.some(len(self._rows), 'primitive')}, {held:,} held, ")
        text.append(f"{describe.some(len(self.graph.waits), 'waiter')}")
        if self.graph.deadlocks:
            text.append(f", {describe.some(len(self.graph.deadlocks), 'deadlock')}", "bold red")
        text.append(f"  every {age(self.interval)}", "dim")
        if self._paused:
            text.append("  paused", "yellow")
        if self.pattern:
            text.append(f"  only {printable(self.pattern)!r}", "yellow")
        if number > AT_MOST:
            text.append(f"  first {AT_MOST} of {number:,}", "yellow")
        if self._problem:
            text.append(f"  {self._problem}", "red")
        self.screen_stack[0].query_one("#head", Static).update(text)

    def on_resize(self) -> None:
        """The columns have another width now."""
        if self._widths:
            self.call_after_refresh(self._show)

    def action_sort(self, order: str) -> None:
        """Sort by that from now on."""
        self.order = order
        self._show()

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._paused = not self._paused
        self._show()

    def action_everything(self) -> None:
        """Show idle ones as well, or no longer."""
        self._everything = not self._everything
        self._show()

    def action_filter(self) -> None:
        """Ask for the text."""
        field = self.query_one("#filter", Input)
        field.display = True
        self.screen.set_focus(field)  # at once: letters may follow already

    def action_no_filter(self) -> None:
        """Show all again."""
        field = self.query_one("#filter", Input)
        field.display = False
        field.value = ""
        self.screen.set_focus(self.table)

    def on_input_changed(self, changed: Input.Changed) -> None:
        """Each letter counts at once."""
        self.pattern = changed.value
        if self._widths:
            self._show()

    def on_input_submitted(self) -> None:
        """Keep it, and go back to the table."""
        self.query_one("#filter", Input).display = False
        self.screen.set_focus(self.table)

    def on_data_table_row_selected(self, selected: DataTable.RowSelected) -> None:
        """Look into it."""
        if selected.row_key.value is not None:
            self.push_screen(One(selected.row_key.value))

    def action_leave(self) -> None:
        """The end."""
        self.exit(exits.OK)

    def action_interrupted(self) -> None:
        """As if the signal had ended it."""
        self.exit(exits.SIGNAL + signal.SIGINT)

    def on_unmount(self) -> None:
        """From here on a signal ends it as any program."""
        loop = asyncio.get_running_loop()
        for number in ENDS:
            with contextlib.suppress(ValueError, RuntimeError):
                loop.remove_signal_handler(number)
