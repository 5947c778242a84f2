"""Contests as tables for people, and as CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from separable.benchmarks.contest import Contest
from separable.benchmarks.layers import LayerTime

Layers = Mapping[str, Sequence[LayerTime]]
"""Our kernels on one thread, by model."""


def results_table(contest: Contest) -> Table:
    """One row for each contender of a contest, with our time divided by the contender's."""
    table = _new_table(
        f"{heading(contest)}, FMA peak {contest.peak_gflops:.0f} GFLOPS, copying {contest.copy_gbs:.0f} GB/s",
        f"ms a run; ratio: ours / theirs, median of {contest.rounds} rounds, 95 % confidence",
        ("median", "min", "p90", "peak", "ratio", "95 %"),
    )
    table.add_column("ours is")
    for row in result_rows(contest):
        if row["failure"]:
            table.add_row(row["contender"], *("",) * 6, "failed")
            continue
        table.add_row(
            row["contender"],
            *(f"{row[column]:.3f}" for column in ("median_ms", "min_ms", "p90_ms")),
            f"{row['peak_share']:.0%}",
            *(
                (f"{row['ratio']:.3f}", f"{row['ratio_low']:.3f}-{row['ratio_high']:.3f}")
                if row["verdict"]
                else ("", "")
            ),
            row["verdict"],
        )
    return table


def costs_table(contest: Contest) -> Table:
    """What it takes each contender to get to its first result."""
    table = _new_table(
        f"{heading(contest)}: to the first result",
        "error: largest difference to ONNX Runtime's outputs without optimisation, relative to their range\n"
        "MB: peak resident memory beyond that of Python with numpy",
        ("load ms", "first run ms", "MB", "error"),
    )
    for title, costs in contest.costs.items():
        numbers = (f"{costs.load_ms:.1f}", f"{costs.first_run_ms:.1f}", f"{costs.memory_mb:.1f}")
        table.add_row(title, *numbers, f"{contest.errors[title]:.0e}")
    return table


def summary_table(contests: Sequence[Contest]) -> Table:
    """Ours and the fastest peer of each contest, and the geometric mean of the ratios for each number of threads."""
    table = _new_table(
        "Ours and the fastest peer",
        "ms a run; ratio: ours / theirs, 95 % confidence",
        ("threads", "ours", "peak", "theirs", "ratio", "95 %"),
    )
    table.add_column("fastest peer, ours is")
    ratios: dict[int, list[float]] = {}
    for contest in contests:
        peer = contest.fastest_peer
        if peer is None:
            continue
        comparison = contest.against(peer)
        ratios.setdefault(contest.threads, []).append(comparison.ratio)
        table.add_row(
            contest.model,
            str(contest.threads),
            f"{contest.summary(contest.ours).median:.3f}",
            f"{contest.peak_share(contest.ours):.0%}",
            f"{contest.summary(peer).median:.3f}",
            f"{comparison.ratio:.3f}",
            f"{comparison.low:.3f}-{comparison.high:.3f}",
            f"{peer}, {comparison.verdict}",
        )
    for threads, values in ratios.items():
        if len(values) > 1:
            mean = math.exp(math.fsum(map(math.log, values)) / len(values))
            table.add_row("geometric mean", str(threads), "", "", "", f"{mean:.3f}")
    return table


def heading(contest: Contest) -> str:
    """The model and the number of threads."""
    return f"{contest.model}, {contest.threads} thread{'s' * (contest.threads > 1)}"


def write_csv(contests: Sequence[Contest], path: Path) -> None:
    """Write what the tables show."""
    rows = [row for contest in contests for row in result_rows(contest)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_json(contests: Sequence[Contest], layers: Layers, machine: Mapping[str, str], path: Path) -> None:
    """Write the machine, the tables' rows, our layers, and every single time in milliseconds, [rounds][runs]."""
    content = {
        "machine": dict(machine),
        "contests": [
            {
                "rows": result_rows(contest),
                "peak_gflops": contest.peak_gflops,
                "copy_gbs": contest.copy_gbs,
                "flops": contest.flops,
                "times_ms": {title: times.tolist() for title, times in contest.times.items()},
            }
            for contest in contests
        ],
        "layers": {model: [asdict(layer) for layer in times] for model, times in layers.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def result_rows(contest: Contest) -> list[dict[str, Any]]:
    """One row for each contender, ours first; who failed comes last, with the reason in ``failure`` and no numbers."""
    rows = [_row(contest, title) for title in contest.times]
    start = {"model": contest.model, "threads": contest.threads}
    for name, reason in contest.failures.items():
        rows.append({**dict.fromkeys(rows[0], ""), **start, "contender": name, "failure": reason})
    return rows


def _row(contest: Contest, title: str) -> dict[str, Any]:
    comparison = contest.against(title) if title != contest.ours else None
    return {
        "model": contest.model,
        "threads": contest.threads,
        "contender": title,
        **{f"{name}_ms": value for name, value in asdict(contest.summary(title)).items()},
        "peak_share": contest.peak_share(title),
        "ratio": comparison.ratio if comparison else 1.0,
        "ratio_low": comparison.low if comparison else 1.0,
        "ratio_high": comparison.high if comparison else 1.0,
        "verdict": comparison.verdict if comparison else "",
        **asdict(contest.costs[title]),
        "error": contest.errors[title],
        "failure": "",
    }


def _new_table(title: str, caption: str, numbers: Sequence[str]) -> Table:
    """A table whose first column names the row; ``numbers`` are aligned to the right."""
    table = Table(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        padding=0,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    for name in numbers:
        table.add_column(name, justify="right")
    return table
