"""How the verbs print: results to stdout; progress, notes and errors to stderr; plain text where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from separable.compiler.commands.fitting_table import GAP, FittingTable

# Output that goes to a file or a pipe is not wrapped to the width of a screen.
_UNLIMITED = 10_000


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
    table = FittingTable(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
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
