"""Tables that fit the terminal they are shown on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from textwrap import wrap

from rich.align import VerticalAlignMethod
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.style import StyleType
from rich.table import Column, Table
from rich.text import Text

GAP = 2
"""Spaces between columns."""

_INDENT = 4
# A text of a table folds into columns no narrower than this, and into about so many lines.
_MIN_FOLDED = 20
_MAX_LINES = 3
# Of a header that folds: two if they fit, else as many as it has words.
_HEADER_LINES = (2, 9)


class FittingTable(Table):
    """Where it is too wide, headers and texts fold, and what still has no room stands below its row, with its header.

    Rich itself would cut numbers and headers, and shrink texts to nothing.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width
        if sum(map(_width, self.columns)) + GAP * (len(self.columns) - 1) <= room:
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
    room -= GAP * (len(columns) - 1)
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
    line = Table.grid(padding=(0, GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        line.add_column(width=width, justify=column.justify, vertical=vertical, overflow="fold", no_wrap=column.no_wrap)
    line.add_row(*cells, style=style)
    return line
