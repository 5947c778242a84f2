"""What a search of tiles found: as a table for people, and as CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from separable.benchmarks.statistics import Comparison


@dataclass(frozen=True)
class Finding:
    """What the search found for one workload.

    Attributes:
        kernel: the name of its kernel.
        candidates: how many tiles were measured, the default included.
        default: the computed tile.
        best: the best tile found; the default, unless another is clearly better.
        microseconds: median time of the default.
        ratio: time of the best tile divided by the default's, in the network of all best tiles; 1 for the default.
    """

    kernel: str
    candidates: int
    default: str
    best: str
    microseconds: float
    ratio: float


@dataclass(frozen=True)
class Findings:
    """What the search found for one network.

    Attributes:
        model: its name.
        threads: threads of each library.
        workloads: one entry for each workload that was searched.
        whole: the network of the best tiles compared with the default network.
    """

    model: str
    threads: int
    workloads: Sequence[Finding]
    whole: Comparison

    @property
    def gap(self) -> float:
        """By what part of its time the default is slower than the best found; negative if it is faster."""
        return 1 / self.whole.ratio - 1


def print_findings(findings: Findings, console: Console) -> None:
    """Print one row for each workload, and the whole network below."""
    table = Table(
        title=f"{findings.model}, {findings.threads} thread{'s' * (findings.threads > 1)}",
        caption="ratio: best / default, measured anew in the network of all best tiles",
        box=box.SIMPLE_HEAD,
        padding=0,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("kernel")
    for heading in ("us", "tiles", "ratio"):
        table.add_column(heading, justify="right")
    table.add_column("default")
    table.add_column("best, if another")
    for finding in findings.workloads:
        table.add_row(
            finding.kernel,
            f"{finding.microseconds:.1f}",
            str(finding.candidates),
            f"{finding.ratio:.3f}",
            short(finding.default),
            short(finding.best) if finding.best != finding.default else "",
        )
    console.print(table)
    whole = findings.whole
    console.print(
        f"the untuned network is within {max(0.0, findings.gap):.1%} of the best found"
        f" (best / default {whole.ratio:.3f}, 95 % confidence {whole.low:.3f}-{whole.high:.3f})"
    )


def short(tile: str) -> str:
    """A tile's text without its type, and with the order of the loops in words."""
    return (
        tile.removeprefix("Tile(")
        .removesuffix(")")
        .replace("pixels_outer=True", "pixels outer")
        .replace(", pixels_outer=False", "")
    )


def write_findings(findings: Findings, machine: Mapping[str, str], folder: Path, console: Console) -> None:
    """Write CSV (the table) and JSON (everything) to a folder, named by time."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / datetime.now(UTC).strftime("search-%Y%m%d-%H%M%S")
    rows = [{"model": findings.model, "threads": findings.threads, **asdict(row)} for row in findings.workloads]
    with stem.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["model", "threads", *(field.name for field in fields(Finding))])
        writer.writeheader()
        writer.writerows(rows)
    content = {"machine": dict(machine), **asdict(findings), "gap": findings.gap}
    stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    console.print(f"written to {stem}.csv and .json")
