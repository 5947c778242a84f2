"""Results as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from separable.benchmarks.contest import Contest
from separable.benchmarks.plots import latency_plot, layers_plot
from separable.benchmarks.report import Layers, heading, mean_ratios, program_note, result_rows, speed_up_note

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, td.text { text-align: left; }
svg { max-width: 100%; height: auto; }
"""
_TIMES = ("median ms", "min", "p90", "of the peak", "ours / theirs", "95 %", "ours is")
_COSTS = ("load ms", "first run ms", "sum ms", "MB", "error")


def results_page(contests: Sequence[Contest], layers: Layers, machine: Mapping[str, str]) -> str:
    """The page: the plots, a table for each contest, and how it was measured."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Separable: benchmarks</title>',
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Separable beside its peers</h1>",
        f"<p>{escape(', '.join(f'{name} {value}' for name, value in machine.items()))}</p>",
        *(
            f"<p>ours / the fastest peer, geometric mean of all models, threads {threads}: {mean:.3f}</p>"
            for threads, mean in mean_ratios(contests).items()
        ),
        _inline(latency_plot(contests)),
        *(_table(contest) for contest in contests),
        *(_inline(layers_plot(model, times)) for model, times in layers.items()),
        f"<p>{_METHOD}</p>",
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


_METHOD = (
    "Contenders run in processes of their own, pinned to the same CPUs, and take turns round after round; outputs are "
    "compared with ONNX Runtime's before anything is timed. Ratios are medians over the rounds with their 95&nbsp;% "
    "confidence interval; differences within it are not ranked. The peak is what multiply-adds in registers reach on "
    "one core in the same run, times the threads; with Winograd's or Strassen's algorithm a convolution may exceed it, "
    "as all of its multiply-adds count and fewer are computed. Load, first run and MB are medians over fresh "
    "processes; the contenders are loaded from Python, after their imports, and MB is their peak of resident "
    "memory beyond that of Python with numpy. (C) is a program in C with our library: MB is the peak of its "
    "whole process."
)


def _table(contest: Contest) -> str:
    lines = [
        f"<h2>{escape(heading(contest))}</h2>",
        f"<p>FMA peak {contest.peak_gflops:.0f} GFLOPS, copying {contest.copy_gbs:.0f} GB/s</p>",
        f"<table><tr>{''.join(f'<th>{name}</th>' for name in ('contender', *_TIMES, *_COSTS))}</tr>",
    ]
    for row in result_rows(contest):
        if row["failure"]:
            reason = f"failed: {escape(row['failure'])}"
            cells = f'<td class="text" colspan="{len(_TIMES) + len(_COSTS)}">{reason}</td>'
        else:
            times = _times(row) if row["contender"] in contest.times else ("",) * len(_TIMES)
            cells = "".join(f"<td>{cell}</td>" for cell in (*times, *_costs(row)))
        lines.append(f"<tr><td>{escape(row['contender'])}</td>{cells}</tr>")
    lines.append("</table>")
    if contest.speed_up:
        lines.append(f"<p>{speed_up_note(contest.speed_up)}</p>")
    if contest.program in contest.costs:
        lines.append(f"<p>{escape(program_note(contest))}</p>")
    return "\n".join(lines)


def _times(row: Mapping[str, Any]) -> tuple[str, ...]:
    ratio = (
        (f"{row['ratio']:.3f}", f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}") if row["verdict"] else ("", "")
    )
    medians = (f"{row[name]:.3f}" for name in ("median_ms", "min_ms", "p90_ms"))
    return (*medians, f"{row['peak_share']:.0%}", *ratio, row["verdict"])


def _costs(row: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (f"{row[name]:.1f}" for name in ("load_ms", "first_run_ms", "first_result_ms", "memory_mb"))
    return (*figures, f"{row['error']:.0e}")


def _inline(svg: str) -> str:
    """The element without the declarations that only a file needs."""
    return svg[svg.index("<svg") :]
