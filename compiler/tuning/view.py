"""What a user sees of a tuning: tasks, the best so far against the default and the peak, trials and the time left."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from separable.compiler.commands.terminal import new_table, print_note, stderr
from separable.compiler.files import whole_file
from separable.compiler.tuning.apply import describe
from separable.compiler.tuning.bench import Outcome
from separable.compiler.tuning.network import Verdict
from separable.compiler.tuning.tasks import Task
from separable.compiler.tuning.tune import Tuned, TuneOptions

_REFRESH_PER_S = 4
_LINE_EVERY_S = 10.0
_NOT_MEASURED = "not measured"


@dataclass
class Row:
    """The state of one task."""

    task: Task
    default_ns: float | None = None
    best_ns: float | None = None
    trials: int = 0
    failures: int = 0


@dataclass(frozen=True)
class Point:
    """A moment of the search: seconds since its begin, and microseconds of all tuned kernels at their best."""

    seconds: float
    microseconds: float


class TuneView:
    """Shows a tuning on a terminal as it goes; elsewhere a line every ten seconds.

    Attributes:
        curve: best so far over time.
        rows: the state of each task by its name.
    """

    def __init__(self, peak_gflops: float | None = None) -> None:
        """Prepare; ``peak_gflops`` is what the device's cores reach at most, if that is known."""
        self.curve: list[Point] = []
        self._peak = peak_gflops
        self._console: Console = stderr()
        self.rows: dict[str, Row] = {}
        self._options: TuneOptions | None = None
        self._start = time.monotonic()
        self._last_line = 0.0
        self._devices: set[str] = set()
        self._lock = Lock()
        self._live = Live(console=self._console, refresh_per_second=_REFRESH_PER_S, get_renderable=self._render)

    def __enter__(self) -> TuneView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def begin(self, tasks: Sequence[Task], options: TuneOptions, known: Sequence[Outcome]) -> None:
        """Show the tasks, and what earlier runs found."""
        self._options = options
        self.rows = {task.name: Row(task) for task in tasks}
        points = sum(len(task.space.tiles) for task in tasks)
        earlier = f", {len(known)} of them measured by earlier runs" if known else ""
        print_note(f"{len(tasks)} workloads with {points} tiles{earlier}; records go to {options.records}")
        for outcome in known:
            self._take(self.rows[outcome.task.name], outcome)

    def observe(self, outcome: Outcome) -> None:
        """Count a trial, and show it if it is the best of its task."""
        with self._lock:
            row = self.rows[outcome.task.name]
            row.trials += 1
            self._take(row, outcome)
            if outcome.record is not None:
                self._devices.add(outcome.record.device)
                self._add_point()
            elapsed = time.monotonic() - self._start
            if not self._console.is_terminal and elapsed - self._last_line >= _LINE_EVERY_S:
                self._last_line = elapsed
                self._console.print(self._status())

    def note(self, text: str) -> None:
        """Show a note above everything else."""
        print_note(text)

    def _take(self, row: Row, outcome: Outcome) -> None:
        if outcome.record is None:
            row.failures += 1
            return
        nanoseconds = outcome.record.nanoseconds
        if outcome.tile == row.task.space.default:
            row.default_ns = nanoseconds
        row.best_ns = min(nanoseconds, row.best_ns or nanoseconds)

    def _add_point(self) -> None:
        times = [row.best_ns for row in self.rows.values()]
        if all(times):
            total = sum((row.best_ns or 0) * row.task.calls for row in self.rows.values()) / 1e3
            self.curve.append(Point(time.monotonic() - self._start, total))

    def _status(self) -> str:
        elapsed = time.monotonic() - self._start
        trials = sum(row.trials for row in self.rows.values())
        failed = sum(row.failures for row in self.rows.values())
        known = [row for row in self.rows.values() if row.best_ns and row.default_ns]
        before = sum((row.default_ns or 0) * row.task.calls for row in known)
        after = sum((row.best_ns or 0) * row.task.calls for row in known)
        parts = [f"{elapsed:.0f} s", f"{trials} trials", *([f"{failed} failed"] if failed else [])]
        if before:
            parts.append(f"kernels {after / 1e3:.0f} us, default {before / 1e3:.0f} us ({after / before - 1:+.1%})")
        if self._devices:
            parts.append(", ".join(sorted(self._devices)))
        if self._options and self._options.budget_s:
            parts.append(f"{max(0.0, self._options.budget_s - elapsed):.0f} s left")
        elif self._options and self._options.trials and trials:
            left = max(0, self._options.trials - trials)
            parts.append(f"about {elapsed / trials * left:.0f} s left")
        return "; ".join(parts)

    def _render(self) -> RenderableType:
        table = task_table(self._peak)
        with self._lock:
            for row in self.rows.values():
                add_task(table, row.task, row.trials, row.default_ns, row.best_ns, "", self._peak)
            return Group(table, Text(self._status()))


def task_table(peak_gflops: float | None) -> Table:
    """A table for :func:`add_task`."""
    numbers = ["calls", "tried", "default us", "best us", "gain", "GFLOPS"]
    return new_table(["kernel", "workload", "tile"], [*numbers, *(["of peak"] if peak_gflops else [])])


def add_task(
    table: Table,
    task: Task,
    trials: int,
    default_ns: float | None,
    best_ns: float | None,
    tile: str,
    peak_gflops: float | None,
) -> None:
    """One task as a row."""
    gflops = 2 * task.macs / best_ns if best_ns else None
    cells = [
        str(task.calls),
        f"{trials}/{len(task.space.tiles)}",
        f"{default_ns / 1e3:.1f}" if default_ns else "",
        f"{best_ns / 1e3:.1f}" if best_ns else "",
        f"{1 - best_ns / default_ns:.1%}" if best_ns and default_ns else "",
        f"{gflops:.1f}" if gflops else "",
    ]
    if peak_gflops:
        cells.append(f"{gflops / peak_gflops:.1%}" if gflops else "")
    table.add_row(task.name, describe(task.workload), tile, *cells)


def result_table(tuned: Tuned, tried: dict[str, int], peak_gflops: float | None) -> Table:
    """What was found for each task; the tile is named where it stays in the network."""
    table = task_table(peak_gflops)
    for task in tuned.tasks:
        tile, nanoseconds = tuned.best.get(task.name, (task.space.default, None))
        kept = tuned.verdict is None or task.name in tuned.verdict.tiles
        text = short(tile) if kept and tile != task.space.default else "default"
        if task.name not in tuned.default_ns:
            text = _NOT_MEASURED
        default_ns = tuned.default_ns.get(task.name)
        add_task(table, task, tried.get(task.name, 0), default_ns, nanoseconds, text, peak_gflops)
    return table


def short(tile: object) -> str:
    """A tile without the name of its type."""
    return str(tile).removeprefix("Tile(").removesuffix(")").replace("Tile", "")


def verdict_text(tuned: Tuned) -> str:
    """What the whole network's measurement said, in a sentence; and for how many kernels it says nothing."""
    missing = sum(task.name not in tuned.default_ns for task in tuned.tasks)
    left_out = f"; {missing} of {len(tuned.tasks)} kernels were {_NOT_MEASURED}" if missing else ""
    return _network_text(tuned.verdict) + left_out


def _network_text(verdict: Verdict | None) -> str:
    if verdict is None:
        return "the whole network was not measured"
    if verdict.duel is None or not verdict.tiles:
        return "the default network stays: no other is faster beyond doubt"
    dropped = f"; {len(verdict.dropped)} that won alone did not" if verdict.dropped else ""
    return (
        f"the network with {len(verdict.tiles)} tuned kernels takes {verdict.duel.ratio:.3f} of the default's time"
        f" ({len(verdict.duel.ratios)} rounds){dropped}"
    )


def plot_curve(curve: Sequence[Point], path: Path) -> bool:
    """Draw best-so-far over time to a PNG file; False if matplotlib is not installed or there is nothing to draw."""
    if len(curve) < 2 or importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.step([point.seconds for point in curve], [point.microseconds for point in curve], where="post")
    axes.set_xlabel("seconds")
    axes.set_ylabel("all tuned kernels at their best [us]")
    axes.grid(alpha=0.3)
    with whole_file(path) as file:
        figure.savefig(file, format="png")
    return True
