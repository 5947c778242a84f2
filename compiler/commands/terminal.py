"""How the verbs print: results to stdout; progress, notes and errors to stderr; plain text where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from itertools import count
from textwrap import wrap
from types import TracebackType
from typing import Any

from rich.align import VerticalAlignMethod
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.style import StyleType
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperGroup

# Output that goes to a file or a pipe is not wrapped to the width of a screen.
_UNLIMITED = 10_000

_GAP = 2
_INDENT = 4
# A text of a table folds into columns no narrower than this, and into about so many lines.
_MIN_FOLDED = 20
_MAX_LINES = 3
# Of a header that folds: two if they fit, else as many as it has words.
_HEADER_LINES = (2, 9)


def stdout() -> Console:
    """Where results go."""
    return _console(stderr=False)


def stderr() -> Console:
    """Where everything goes that is no result."""
    return _console(stderr=True)


def print_error(message: str) -> None:
    """Print one red ``error:`` message."""
    stderr().print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


def print_note(message: str) -> None:
    """Print something the user should know."""
    stderr().print(Text.assemble(("note: ", "yellow"), message), soft_wrap=True)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    for name, value in facts:
        stdout().print(Text.assemble((f"{name:<12}", "bold"), value), soft_wrap=True)


def new_table(left: Iterable[str], right: Iterable[str]) -> Table:
    """A table whose first columns hold text and whose other ones numbers; it fits the terminal that it is shown on."""
    table = _FittingTable(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for header in left:
        table.add_column(header, overflow="fold")
    for header in right:
        table.add_column(header, justify="right", no_wrap=True)
    return table


class Verbs(TyperGroup):
    """A program or verb with verbs."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List them with their whole first sentences; typer would show of each what fits into one line."""
        verbs = [(name, self.commands[name].get_short_help_str(_UNLIMITED)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(verbs)


class _FittingTable(Table):
    """Where it is too wide, headers and texts fold, and what still has no room stands below its row, with its header.

    Rich itself would cut numbers and headers, and shrink texts to nothing.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width
        if sum(map(_width, self.columns)) + _GAP * (len(self.columns) - 1) <= room:
            yield from super().__rich_console__(console, options)
            return
        kept = _columns_with_room(self.columns, room)
        widths = _fit(kept, room) or [room]
        cells = [_cells(column) for column in kept]
        below = [(str(column.header), _cells(column)) for column in self.columns if column not in kept]
        headers = ["\n".join(_folded(column, width)) for column, width in zip(kept, widths, strict=True)]
        yield _line(kept, widths, headers, self.header_style, "bottom")
        for index, row in enumerate(self.rows):
            yield _line(kept, widths, [column[index] for column in cells], row.style)
            if details := [
                Text.assemble((header, "dim"), " ", column[index]) for header, column in below if column[index]
            ]:
                text = Text("  ", style=row.style or "", overflow="fold").join(details)
                yield Padding(text, (0, 0, 0, _INDENT))


def _columns_with_room(columns: Sequence[Column], room: int) -> list[Column]:
    """The first column and as many others as fit beside it: the longest texts give way first, then the last numbers."""
    kept = list(columns)
    while len(kept) > 1 and _fit(kept, room) is None:
        texts = [column for column in kept[1:] if not column.no_wrap]
        kept.remove(max(texts, key=_width) if texts else kept[-1])
    return kept


def _fit(columns: Sequence[Column], room: int) -> list[int] | None:
    """Widths for these columns side by side, where texts fold and numbers do not; None if there is no room."""
    room -= _GAP * (len(columns) - 1)
    cells = [max(map(cell_len, _cells(column)), default=0) for column in columns]
    for lines in _HEADER_LINES:
        headers = [_header_width(column, lines) for column in columns]
        for most in range(room, _MIN_FOLDED - 1, -1):
            folded = [
                width if column.no_wrap else min(width, max(most, width // _MAX_LINES))
                for column, width in zip(columns, cells, strict=True)
            ]
            widths = list(map(max, headers, folded))
            if sum(widths) <= room:
                return widths
    return None


def _header_width(column: Column, lines: int) -> int:
    """The least width at which the header has so few lines and no word of it is cut."""
    return next(
        width
        for width in count(1)
        if len(folded := _folded(column, width)) <= lines and max(map(len, folded), default=0) <= width
    )


def _folded(column: Column, width: int) -> list[str]:
    return wrap(str(column.header), width, break_long_words=False)


def _width(column: Column) -> int:
    return max(map(cell_len, [str(column.header), *_cells(column)]))


def _cells(column: Column) -> list[str]:
    return [str(cell) for cell in column.cells]


def _line(
    columns: Sequence[Column],
    widths: Sequence[int],
    cells: Sequence[str],
    style: StyleType | None,
    vertical: VerticalAlignMethod = "top",
) -> Table:
    """One row; rows of the same widths stand below each other like those of one table."""
    line = Table.grid(padding=(0, _GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        line.add_column(width=width, justify=column.justify, vertical=vertical, overflow="fold", no_wrap=column.no_wrap)
    line.add_row(*cells, style=style)
    return line


class PhaseDisplay:
    """Shows which phase of a compilation is under way: a bar on a terminal, else one line a phase; both on stderr."""

    def __init__(self) -> None:
        self._console = stderr()
        self._bars = Progress(
            TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn(), console=self._console
        )
        self._tasks: dict[str, TaskID] = {}
        self._started = time.perf_counter()

    def __enter__(self) -> PhaseDisplay:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def __call__(self, phase: str, done: float) -> None:
        """Show that ``phase`` is done to this part, 0 to 1."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=1.0)
            if not self._console.is_terminal:
                self._console.print(f"{time.perf_counter() - self._started:6.1f} s  {phase}")
        self._bars.update(self._tasks[phase], completed=done)


def _console(*, stderr: bool) -> Console:
    watched = (sys.stderr if stderr else sys.stdout).isatty()
    # Names of nodes and files may look like markup; they are shown as they are.
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=None if watched else _UNLIMITED)
