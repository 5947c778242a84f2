"""The paper's Figures 4 and 5, accuracy over mult-adds and over parameters, with latency; and accuracy over latency."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from separable.compiler.choosing.choose import Budget, Row, pareto_front
from separable.compiler.files import whole_file

_COLOURS = ("#c0392b", "#2980b9", "#27ae60", "#8e44ad", "#d35400", "#7f8c8d")


def plot_family(rows: Sequence[Row], pick: Row | None, budget: Budget, path: Path, *, ylabel: str, title: str) -> bool:
    """Draw the three plots to a PNG file; False if matplotlib is not installed or no accuracy is known.

    Points whose accuracy is interpolated are hollow; colours are the members' groups.
    """
    shown = [row for row in rows if row.member.accuracy is not None]
    if not shown or importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    costs, parameters, latency = figure.subplots(1, 3, sharey=True)
    labelled = (lambda row: f"{row.latency.median:.3g} ms", 6.5)
    _draw(costs, shown, pick, lambda row: row.mult_adds / 1e6, "million mult-adds", *labelled)
    _draw(parameters, shown, pick, lambda row: row.parameters / 1e6, "million parameters", *labelled)
    front = pareto_front(shown)
    names = (lambda row: row.member.title if row in front else "", 7.5)
    _draw(latency, shown, pick, lambda row: row.latency.median, "latency [ms]", *names)
    latency.step([row.latency.median for row in front], [_accuracy(row) for row in front], where="post", color="0.6")
    for row in shown:
        latency.plot([row.latency.low, row.latency.high], [_accuracy(row)] * 2, color="0.3", linewidth=0.8)
    if budget.latency_ms is not None:
        latency.axvline(budget.latency_ms, color="black", linestyle="--", linewidth=0.8)
    costs.set_ylabel(ylabel)
    if costs.get_legend_handles_labels()[1]:
        costs.legend(fontsize=7, loc="lower right")
    figure.suptitle(title)
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=110)
    return True


def _draw(
    axes: Any,
    rows: Sequence[Row],
    pick: Row | None,
    x: Callable[[Row], float],
    xlabel: str,
    label: Callable[[Row], str],
    size: float,
) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    groups = list(dict.fromkeys(row.member.group for row in rows))
    for number, group in enumerate(groups):
        colour = _COLOURS[number % len(_COLOURS)]
        for interpolated in (False, True):
            some = [row for row in rows if row.member.group == group and _interpolated(row) == interpolated]
            name = ", ".join(part for part in (group, "interpolated" if interpolated else "") if part)
            axes.scatter(
                [x(row) for row in some],
                [_accuracy(row) for row in some],
                facecolors="none" if interpolated else colour,
                edgecolors=colour,
                label=name if some and name else None,
            )
    for row in rows:
        # More accurate networks are slower: there is room above and to the left of each.
        where = {"xytext": (-4, 4), "textcoords": "offset points", "horizontalalignment": "right"}
        axes.annotate(label(row), (x(row), _accuracy(row)), fontsize=size, **where)
    if pick is not None:
        style = {"marker": "*", "s": 220, "facecolors": "none", "edgecolors": "black"}
        axes.scatter([x(pick)], [_accuracy(pick)], **style)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.27)
    axes.set_xlabel(xlabel)
    axes.grid(alpha=0.3, which="both")


def _accuracy(row: Row) -> float:
    assert row.member.accuracy is not None
    return row.member.accuracy.value


def _interpolated(row: Row) -> bool:
    return row.member.accuracy is not None and row.member.accuracy.interpolated
