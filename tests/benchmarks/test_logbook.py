from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from separable.benchmarks.contest import Contest
from separable.benchmarks.logbook import Logbook


@pytest.fixture
def logbook(tmp_path: Path) -> Logbook:
    return Logbook(tmp_path / "net-1.0", {"cpu": "some"})


def test_nothing_is_written_before_the_first_contest(logbook: Logbook, tmp_path: Path) -> None:
    logbook.failures["net"] = "it is broken"
    logbook.save()
    logbook.save_with_pictures()
    assert list(tmp_path.iterdir()) == []


def test_each_contest_is_saved_beside_those_before(logbook: Logbook, contest: Contest, tmp_path: Path) -> None:
    logbook.contests.append(contest)
    logbook.save()
    logbook.contests.append(replace(contest, model="second"))
    logbook.save()
    assert {path.name for path in tmp_path.iterdir()} == {"net-1.0.csv", "net-1.0.json"}
    content = json.loads((tmp_path / "net-1.0.json").read_text())
    assert [entry["rows"][0]["model"] for entry in content["contests"]] == ["net", "second"]
    assert (tmp_path / "net-1.0.csv").read_bytes().count(b"\r\n") == 1 + 2 * 5


def test_pictures_come_last(logbook: Logbook, contest: Contest, tmp_path: Path) -> None:
    logbook.contests.append(contest)
    logbook.save_with_pictures()
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".json", ".svg", ".html"}
