from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from separable.benchmarks.contest import Contest
from separable.benchmarks.results import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "net-1.0", {"cpu": "some"})


def test_nothing_is_written_before_the_first_contest(results: Results, tmp_path: Path) -> None:
    results.failures["net"] = "it is broken"
    results.save()
    results.save_with_pictures()
    assert list(tmp_path.iterdir()) == []


def test_each_contest_is_saved_beside_those_before(results: Results, contest: Contest, tmp_path: Path) -> None:
    results.contests.append(contest)
    results.save()
    results.contests.append(replace(contest, model="second"))
    results.save()
    assert {path.name for path in tmp_path.iterdir()} == {"net-1.0.csv", "net-1.0.json"}
    content = json.loads((tmp_path / "net-1.0.json").read_text())
    assert [entry["rows"][0]["model"] for entry in content["contests"]] == ["net", "second"]
    assert (tmp_path / "net-1.0.csv").read_bytes().count(b"\r\n") == 1 + 2 * 5


def test_pictures_come_last(results: Results, contest: Contest, tmp_path: Path) -> None:
    results.contests.append(contest)
    results.save_with_pictures()
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".json", ".svg", ".html"}
