"""Pictures of contests, as SVG: latency beside the peers, and the share of the peak that each of our layers reaches."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial

from matplotlib import rc_context
from matplotlib.figure import Figure

from separable.benchmarks.contest import Contest
from separable.benchmarks.layers import LayerTime
from separable.benchmarks.report import heading

_OURS, _PEERS = "#c0392b", "#7f8c8d"
_ROW_INCHES = 0.28
_WIDTH_INCHES = 8.0
_LABEL_LETTERS = 40
# Text stays text, which is small and can be selected; a fixed salt gives the same bytes for the same data.
_style = partial(
    rc_context, {"svg.fonttype": "none", "svg.hashsalt": "separable", "font.family": "sans-serif", "font.size": 9}
)


def latency_plot(contests: Sequence[Contest]) -> str:
    """A bar for each contender: its median, with a line from the fastest run to the 90th percentile."""
    rows = sum(len(contest.times) + 2 for contest in contests)
    with _style():
        figure = Figure(figsize=(_WIDTH_INCHES, _ROW_INCHES * rows + 0.6), layout="constrained")
        heights = [len(contest.times) + 1 for contest in contests]
        all_axes = figure.subplots(len(contests), squeeze=False, height_ratios=heights)[:, 0]
        for axes, contest in zip(all_axes, contests, strict=True):
            titles = list(contest.times)
            summaries = [contest.summary(title) for title in titles]
            medians = [summary.median for summary in summaries]
            spread = [[s.median - s.min for s in summaries], [s.p90 - s.median for s in summaries]]
            colours = [_OURS if title == contest.ours else _PEERS for title in titles]
            axes.barh(titles, medians, xerr=spread, color=colours, ecolor="#2c3e50", error_kw={"linewidth": 0.8})
            # A few slow runs of one contender shall not make all bars short.
            axes.set_xlim(0, 1.25 * max(medians))
            axes.invert_yaxis()
            axes.set_title(f"{heading(contest)}, ms", loc="left")
        return _to_svg(figure)


def layers_plot(model: str, layers: Sequence[LayerTime]) -> str:
    """A bar for each of our kernels that multiplies: its part of the FMA peak of one core, beside its time."""
    shown = [layer for layer in layers if layer.gflops > 0]
    with _style():
        figure = Figure(figsize=(_WIDTH_INCHES, _ROW_INCHES * (len(shown) + 2)), layout="constrained")
        axes = figure.subplots()
        labels = [f"{index} {_short(layer.name)}" for index, layer in enumerate(shown)]
        bars = axes.barh(labels, [100 * layer.peak_share for layer in shown], color=_OURS)
        axes.bar_label(bars, [f"{layer.milliseconds:.3f} ms" for layer in shown], padding=3)
        # Winograd's and Strassen's algorithms need fewer multiply-adds than are counted.
        axes.set_xlim(0, 1.2 * max([100, *(100 * layer.peak_share for layer in shown)]))
        axes.margins(y=0.01)
        axes.invert_yaxis()
        axes.set_title(f"{model}, 1 thread: % of the FMA peak", loc="left")
        return _to_svg(figure)


def _short(nodes: str) -> str:
    """The last of a kernel's nodes, or how its name ends: labels shall leave room for bars."""
    name = nodes.rpartition("+")[2]
    return name if len(name) <= _LABEL_LETTERS else f"…{name[1 - _LABEL_LETTERS :]}"


def _to_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
