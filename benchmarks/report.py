"""Contests as a table for people, and as CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from separable.benchmarks.contest import Contest


def results_table(contest: Contest) -> Table:
    """One row for each contender of a contest, with our time divided by the contender's."""
    threads = f"{contest.threads} thread{'s' * (contest.threads > 1)}"
    table = Table(
        title=f"{contest.model}, {threads}, FMA peak {contest.peak_gflops:.0f} GFLOPS",
        caption=f"ms a run; ratio: ours / theirs, median of {contest.rounds} rounds, 95 % confidence",
        box=box.SIMPLE_HEAD,
        padding=0,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("contender")
    for heading in ("median", "min", "p90", "peak", "ratio", "95 %"):
        table.add_column(heading, justify="right")
    table.add_column("ours is")
    for row in _rows(contest):
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
                "verdict": comparison.verdict if comparison else "",
            }
        )
    return rows
