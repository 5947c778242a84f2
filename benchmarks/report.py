"""Contests as a table for people, and as CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from separable.benchmarks.contest import Contest


def results_table(contests: Sequence[Contest]) -> Table:
    """One row for each contender of each contest; the ratio is our time divided by the contender's."""
    table = Table(caption="ms a run; ratio: median of ours / theirs, round by round, and its 95 % confidence interval")
    table.add_column("model")
    table.add_column("threads", justify="right")
    table.add_column("contender")
    for heading in ("median", "min", "p90", "FMA peak"):
        table.add_column(heading, justify="right")
    table.add_column("ours / theirs")
    for contest in contests:
        for row in _rows(contest):
            ratio = f"{row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f}), {row['verdict']}"
            table.add_row(
                row["model"],
                str(row["threads"]),
                row["contender"],
                *(f"{row[column]:.2f}" for column in ("median_ms", "min_ms", "p90_ms")),
                f"{row['peak_share']:.0%}",
                ratio if row["verdict"] else "",
            )
        table.add_section()
    return table


def write_csv(contests: Sequence[Contest], path: Path) -> None:
    """Write what the table shows."""
    rows = [row for contest in contests for row in _rows(contest)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_json(contests: Sequence[Contest], machine: Mapping[str, str], path: Path) -> None:
    """Write the machine, the table's rows, and every single time in milliseconds, [rounds][runs]."""
    content = {
        "machine": dict(machine),
        "contests": [
            {
                "rows": _rows(contest),
                "peak_gflops": contest.peak_gflops,
                "flops": contest.flops,
                "times_ms": {title: times.tolist() for title, times in contest.times.items()},
            }
            for contest in contests
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _rows(contest: Contest) -> list[dict[str, Any]]:
    rows = []
    for number, title in enumerate(contest.times):
        summary = contest.summary(title)
        comparison = contest.against(title) if number else None
        rows.append(
            {
                "model": contest.model,
                "threads": contest.threads,
                "contender": title,
                **{f"{name}_ms": value for name, value in asdict(summary).items()},
                "peak_share": contest.peak_share(title),
                "ratio": comparison.ratio if comparison else 1.0,
                "ratio_low": comparison.low if comparison else 1.0,
                "ratio_high": comparison.high if comparison else 1.0,
                "verdict": f"ours is {comparison.verdict}" if comparison else "",
            }
        )
    return rows
