from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from separable.benchmarks.contest import Contest
from separable.benchmarks.layers import LayerTime
from separable.benchmarks.report import costs_table, results_table, summary_table, write_csv, write_json


def shown(table: Table, width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_table_shows_times_shares_and_the_verdict(contest: Contest) -> None:
    text = shown(results_table(contest))
    for part in ("net, 2 threads, FMA peak 200 GFLOPS, copying 40 GB/s", "Other 1.0", "10.000", "50%", "25%"):
        assert part in text
    assert "0.500 0.500-0.500 faster" in text
    assert [line.split() for line in text.splitlines() if "absent" in line] == [["absent", "failed"]]


def test_costs(contest: Contest) -> None:
    text = shown(costs_table(contest))
    assert "1.5         12.0 34.0 1e-06" in text


def test_tables_fit_a_terminal(contest: Contest) -> None:
    for table in (results_table(contest), costs_table(contest)):
        assert shown(table, 80).split() == shown(table).split()


def test_summary_names_the_fastest_peer_and_the_mean(contest: Contest) -> None:
    faster = {"Ours": contest.times["Ours"], "Other 1.0": np.full((6, 10), 80.0)}
    text = shown(summary_table([contest, replace(contest, model="small", times=faster)]))
    assert "Other 1.0, faster" in text
    assert "Third" not in text
    # The geometric mean of 1/2 and 1/8.
    assert [line.split()[-1] for line in text.splitlines() if "geometric" in line] == ["0.250"]


def test_csv(contest: Contest, tmp_path: Path) -> None:
    write_csv([contest], tmp_path / "results.csv")
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["contender"] for row in rows] == ["Ours", "Other 1.0", "Third <3>", "absent"]
    assert float(rows[1]["ratio"]) == 0.5
    assert rows[1]["verdict"] == "faster"
    assert float(rows[1]["memory_mb"]) == 34
    assert rows[3]["failure"] == "it is <not> installed"
    assert rows[3]["median_ms"] == ""


def test_json_keeps_every_time(contest: Contest, tmp_path: Path) -> None:
    layers = {"net": [LayerTime("conv", 1.0, 50.0, 0.5)]}
    write_json([contest], layers, {"cpu": "some"}, tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["machine"] == {"cpu": "some"}
    assert np.shape(content["contests"][0]["times_ms"]["Other 1.0"]) == (6, 10)
    assert content["layers"]["net"] == [{"name": "conv", "milliseconds": 1, "gflops": 50, "peak_share": 0.5}]


@pytest.mark.parametrize("title", ["Ours", "Third <3>"])
def test_rows_have_one_entry_for_each_contender(contest: Contest, title: str) -> None:
    assert shown(costs_table(contest)).count(title) == 1
