"""Contests as tables for people, and as CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from separable.benchmarks.contest import ALLOWED_MB, Contest
from separable.benchmarks.layers import LayerTime
from separable.benchmarks.statistics import Comparison

Layers = Mapping[str, Sequence[LayerTime]]
"""Our kernels on one thread, by model."""


def results_table(contest: Contest) -> Table:
    """One row for each contender of a contest, with our time divided by the contender's."""
    table = _new_table(
        f"{heading(contest)}, FMA peak {contest.peak_gflops:.0f} GFLOPS, copying {contest.copy_gbs:.0f} GB/s",
        f"ms a run; ratio: ours / theirs, median of {contest.rounds} rounds, 95 % confidence"
        + (f"\n{speed_up_note(contest.speed_up)}" if contest.speed_up else ""),
        ("median", "min", "p90", "peak", "ratio", "95 %"),
    )
    table.add_column("ours is")
    for row in result_rows(contest):
        if row["failure"]:
            table.add_row(row["contender"], *("",) * 6, "failed")
        if row["contender"] not in contest.times:
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
        f"{heading(contest)}: to the first result, medians over fresh processes",
        "error: largest difference to ONNX Runtime's outputs without optimisation, relative to their range\n"
        "load: after imports; MB: peak resident memory beyond that of Python with numpy"
        + (f"\n{program_note(contest)}" if contest.program in contest.costs else ""),
        ("load ms", "first run ms", "sum ms", "MB", "error"),
    )
    for title, costs in contest.costs.items():
        times = (f"{value:.1f}" for value in (costs.load_ms, costs.first_run_ms, costs.first_result_ms))
        table.add_row(title, *times, f"{costs.memory_mb:.1f}", f"{contest.errors[title]:.0e}")
    return table


def speed_up_note(speed_up: Comparison) -> str:
    """How many times as fast ours is on all threads of a contest as on one, both in the same rounds."""
    return f"ours: {speed_up.ratio:.3f} times 1 thread's speed, same rounds, {speed_up.low:.3f}-{speed_up.high:.3f}"


def program_note(contest: Contest) -> str:
    """How the C program was measured, and whether it keeps to the memory that it is allowed."""
    needed = contest.costs[contest.program].memory_mb
    return (
        f"{contest.program}: a whole process, nothing subtracted; {needed:.1f} MB, "
        f"{'within' if needed <= contest.allowed_mb else 'above'} {contest.allowed_mb:.1f} MB = "
        f"weights {contest.weight_bytes / 1e6:.1f} + arena {contest.arena_bytes / 1e6:.1f} + {ALLOWED_MB:g}"
    )


def summary_table(contests: Sequence[Contest]) -> Table:
    """Ours and the fastest peer of each contest, and the geometric mean of the ratios for each number of threads."""
    table = _new_table(
        "Ours and the fastest peer",
        "ms a run; ratio: ours / theirs, 95 % confidence",
        ("threads", "ours", "peak", "theirs", "ratio", "95 %"),
    )
    table.add_column("fastest peer, ours is")
    for contest in contests:
        peer = contest.fastest_peer
        if peer is None:
            continue
        comparison = contest.against(peer)
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
    for threads, mean in mean_ratios(contests).items():
        if sum(contest.threads == threads for contest in contests) > 1:
            table.add_row("geometric mean", str(threads), "", "", "", f"{mean:.3f}")
    return table


def mean_ratios(contests: Sequence[Contest]) -> dict[int, float]:
    """The geometric mean of the ratios to the fastest peer of each contest, by the number of threads."""
    logarithms: dict[int, list[float]] = {}
    for contest in contests:
        if contest.fastest_peer is not None:
            ratio = contest.against(contest.fastest_peer).ratio
            logarithms.setdefault(contest.threads, []).append(math.log(ratio))
    return {threads: math.exp(math.fsum(values) / len(values)) for threads, values in logarithms.items()}


def heading(contest: Contest) -> str:
    """The model and the number of threads."""
    return f"{contest.model}, {contest.threads} thread{'s' * (contest.threads > 1)}"


def csv_text(contests: Sequence[Contest]) -> str:
    """What the tables show: the rows of every contest, at least one."""
    rows = [row for contest in contests for row in result_rows(contest)]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def json_text(
    contests: Sequence[Contest], layers: Layers, machine: Mapping[str, str], failures: Mapping[str, str]
) -> str:
    """The machine, the tables' rows, our layers, what failed, and every single time in milliseconds, [rounds][runs]."""
    content = {
        "machine": dict(machine),
        "mean_ratios": mean_ratios(contests),
        "failures": dict(failures),
        "contests": [
            {
                "rows": result_rows(contest),
                "peak_gflops": contest.peak_gflops,
                "copy_gbs": contest.copy_gbs,
                "flops": contest.flops,
                "weight_bytes": contest.weight_bytes,
                "arena_bytes": contest.arena_bytes,
                "times_ms": {title: times.tolist() for title, times in contest.times.items()},
                "speed_up": None if contest.speed_up is None else asdict(contest.speed_up),
                "alone_ms": None if contest.alone is None else contest.alone.tolist(),
            }
            for contest in contests
        ],
        "layers": {model: [asdict(layer) for layer in times] for model, times in layers.items()},
    }
    return json.dumps(content, indent=1) + "\n"


def result_rows(contest: Contest) -> list[dict[str, Any]]:
    """One row for each contender, ours first, then the C program, and who failed, with the reason in ``failure``.

    What was not measured is "": the times of the C program, and everything of who failed.
    """
    rows = [_row(contest, title) for title in contest.times]
    blank = {**dict.fromkeys(rows[0], ""), "model": contest.model, "threads": contest.threads}
    if contest.program in contest.costs:
        rows.append({**blank, "contender": contest.program, **_costs(contest, contest.program)})
    return rows + [{**blank, "contender": name, "failure": reason} for name, reason in contest.failures.items()]


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
        **_costs(contest, title),
        "failure": "",
    }


def _costs(contest: Contest, title: str) -> dict[str, float]:
    costs = contest.costs[title]
    return {**asdict(costs), "first_result_ms": costs.first_result_ms, "error": contest.errors[title]}


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
