from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from separable.benchmarks.contest import Contest
from separable.benchmarks.costs import Costs
from separable.benchmarks.layers import LayerTime
from separable.benchmarks.report import (
    costs_table,
    csv_text,
    json_text,
    mean_ratios,
    program_note,
    results_table,
    summary_table,
)


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


def test_speed_up(contest: Contest) -> None:
    contest = replace(contest, alone=np.full((6, 10), 19.0))
    assert "ours: 1.900 times 1 thread's speed, same rounds, 1.900-1.900" in shown(results_table(contest))
    (kept,) = json.loads(json_text([contest], {}, {}, {}))["contests"]
    assert kept["speed_up"] == {"ratio": 1.9, "low": 1.9, "high": 1.9}
    assert np.shape(kept["alone_ms"]) == (6, 10)


def test_one_thread_has_no_speed_up(contest: Contest) -> None:
    assert "thread's speed" not in shown(results_table(contest))
    (kept,) = json.loads(json_text([contest], {}, {}, {}))["contests"]
    assert (kept["speed_up"], kept["alone_ms"]) == (None, None)


def test_costs(contest: Contest) -> None:
    text = shown(costs_table(contest))
    assert "Ours          1.5         12.0   13.5 34.0 1e-06" in text
    assert "Ours (C)      0.3         11.0   11.3 24.0 1e-06" in text


@pytest.mark.parametrize(
    ("needed", "text"),
    [
        (24.7, "24.7 MB, within 24.8 MB = weights 16.5 + arena 4.3 + 4"),
        (24.9, "24.9 MB, above 24.8 MB = weights 16.5 + arena 4.3 + 4"),
    ],
)
def test_whether_the_program_keeps_to_its_memory(contest: Contest, needed: float, text: str) -> None:
    costs = {**contest.costs, "Ours (C)": Costs(0.3, 11, needed)}
    note = program_note(replace(contest, costs=costs))
    assert note == f"Ours (C): a whole process, nothing subtracted; {text}"


def test_without_a_program(contest: Contest) -> None:
    costs = {title: spent for title, spent in contest.costs.items() if title in contest.times}
    assert "(C)" not in shown(costs_table(replace(contest, costs=costs)))


def test_the_program_has_no_times(contest: Contest) -> None:
    assert "Ours (C)" not in shown(results_table(contest))


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


def test_means_are_by_the_number_of_threads(contest: Contest) -> None:
    alone = replace(contest, threads=1, times={"Ours": contest.times["Ours"]})
    single = replace(contest, threads=1, times={"Ours": np.full((6, 10), 9.0), "Other 1.0": np.full((6, 10), 10.0)})
    assert mean_ratios([contest, alone, single]) == {2: pytest.approx(0.5), 1: pytest.approx(0.9)}


def test_csv(contest: Contest) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([contest]))))
    assert [row["contender"] for row in rows] == ["Ours", "Other 1.0", "Third <3>", "Ours (C)", "absent"]
    assert float(rows[1]["ratio"]) == 0.5
    assert rows[1]["verdict"] == "faster"
    assert float(rows[1]["memory_mb"]) == 34
    assert (rows[3]["median_ms"], float(rows[3]["first_result_ms"])) == ("", 11.3)
    assert rows[4]["failure"] == "it is <not> installed"
    assert rows[4]["median_ms"] == ""


def test_json_keeps_every_time(contest: Contest) -> None:
    layers = {"net": [LayerTime("conv", 1.0, 50.0, 0.5)]}
    content = json.loads(json_text([contest], layers, {"cpu": "some"}, {"other": "it is broken"}))
    assert content["machine"] == {"cpu": "some"}
    assert content["failures"] == {"other": "it is broken"}
    assert content["mean_ratios"] == {"2": 0.5}
    assert np.shape(content["contests"][0]["times_ms"]["Other 1.0"]) == (6, 10)
    assert content["layers"]["net"] == [{"name": "conv", "milliseconds": 1, "gflops": 50, "peak_share": 0.5}]


@pytest.mark.parametrize("title", ["Other 1.0", "Third <3>"])
def test_rows_have_one_entry_for_each_contender(contest: Contest, title: str) -> None:
    assert shown(costs_table(contest)).count(title) == 1
