from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from separable.benchmarks.search_report import Finding, Findings, print_findings, short, write_findings
from separable.benchmarks.statistics import Comparison

FINDINGS = Findings(
    model="net",
    threads=2,
    workloads=[Finding("depthwise_0", 40, "Tile(rows=4, columns=4)", "Tile(rows=2, columns=7)", 12.3, 0.97)],
    whole=Comparison(0.98, 0.97, 0.99),
)


def test_gap_is_what_the_default_takes_longer() -> None:
    assert FINDINGS.gap == pytest.approx(1 / 0.98 - 1)


def test_tiles_in_short() -> None:
    tile = "Tile(rows=1, columns=14, vectors=2, unroll=4, pixels_outer={})"
    assert short(tile.format(True)) == "rows=1, columns=14, vectors=2, unroll=4, pixels outer"
    assert short(tile.format(False)) == "rows=1, columns=14, vectors=2, unroll=4"


def test_printed_and_written(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    print_findings(FINDINGS, console)
    write_findings(FINDINGS, {"cpu": "some"}, tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "rows=2, columns=7" in text
    assert "within 2.0% of the best found" in text
    (table,) = tmp_path.glob("search-*.csv")
    (row,) = csv.DictReader(table.open())
    assert (row["model"], row["kernel"], row["ratio"]) == ("net", "depthwise_0", "0.97")
    content = json.loads(table.with_suffix(".json").read_text())
    assert (content["machine"], content["whole"]["low"]) == ({"cpu": "some"}, 0.97)
