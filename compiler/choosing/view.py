"""What a user sees while a family is measured: a bar with the time left on a terminal, else a line for each network."""

from __future__ import annotations

from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from separable.compiler.choosing.choose import Row
from separable.compiler.choosing.member import Member
from separable.compiler.commands.terminal import stderr


class FamilyView:
    """Shows which of so many steps is under way; on stderr."""

    def __init__(self, steps: int) -> None:
        self._console = stderr()
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bars = Progress(TextColumn("{task.description}"), *columns, console=self._console)
        self._bar = self._bars.add_task("networks", total=steps)

    def __enter__(self) -> FamilyView:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def phase(self, member: Member, what: str) -> None:
        """Something is done for a member."""
        self._bars.update(self._bar, description=f"{member.title}: {what}")

    def done(self, row: Row, how: str) -> None:
        """A member was measured for the first or the second time, or by an earlier run."""
        self._bars.advance(self._bar)
        if not self._console.is_terminal:
            self._console.print(f"{row.member.title}: {row.latency.median:.3f} ms, {how}")
