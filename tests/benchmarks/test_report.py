from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from separable.benchmarks.contest import Contest
from separable.benchmarks.report import results_table, write_csv, write_json

CONTEST = Contest("net", 1, 10**9, 100.0, {"Ours": np.full((6, 10), 12.5), "Other 1.0": np.full((6, 10), 20.0)})


def test_table_shows_times_shares_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=200).print(results_table(CONTEST))
    text = capsys.readouterr().out
    for part in ("Other 1.0", "12.500", "80%", "50%", "0.625 0.625-0.625 faster"):
        assert part in text


def test_csv(tmp_path: Path) -> None:
    write_csv([CONTEST], tmp_path / "results.csv")
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["contender"] for row in rows] == ["Ours", "Other 1.0"]
    assert float(rows[1]["ratio"]) == 0.625
    assert rows[1]["verdict"] == "faster"


def test_json_keeps_every_time(tmp_path: Path) -> None:
    write_json([CONTEST], {"cpu": "some"}, tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["machine"] == {"cpu": "some"}
    assert np.shape(content["contests"][0]["times_ms"]["Other 1.0"]) == (6, 10)
