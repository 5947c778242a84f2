"""Results: kept, continued, mended, and never trusted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from separable.compiler.choosing.results import Latency, ResultsError, ResultsFile, compiler_version
from tests.compiler.choosing.samples import make_key, make_result, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "choose.jsonl"


def test_what_is_appended_is_found_by_the_next_run(path: Path) -> None:
    with ResultsFile(path) as file:
        assert file.find(make_key()) is None
        file.append(make_result(1.0, 2.0))
        assert len(path.read_text().splitlines()) == 1
        joined = file.append(make_result(3.0))
    assert joined.turns_ms == (1.0, 2.0, 3.0)
    with ResultsFile(path) as file:
        assert file.find(make_key()) == joined
        assert file.find(make_key("b")) is None
        assert file.find(replace(make_key(), target="another")) is None
        assert file.find(replace(make_key(), compiler="another")) is None
        assert file.find(replace(make_key(), device="another")) is None
        assert file.find(replace(make_key(), threads=2)) is None


def test_the_latest_estimate_counts(path: Path) -> None:
    with ResultsFile(path) as file:
        file.append(make_result(1.0, bounds_ms=(0.5, 2.0)))
        assert file.append(make_result(1.5, bounds_ms=(1.0, 3.0))).latency == Latency(1.5, 1.0, 3.0)


def test_latency() -> None:
    assert make_result(3.0, 1.0, 2.0).latency == Latency(2.0, 1.0, 3.0)
    assert make_result(*range(1, 10)).latency == Latency(5, 2, 8)


def test_a_line_that_was_cut_off_is_removed(path: Path) -> None:
    whole = make_result(1.0).line()
    write(path, whole, whole[: len(whole) // 2])
    with ResultsFile(path) as file:
        assert "cut off" in file.notes[0]
        file.append(make_result(2.0))
    with ResultsFile(path) as file:
        found = file.find(make_key())
        assert found is not None
        assert found.turns_ms == (1.0, 2.0)


def test_a_second_writer_is_refused(path: Path) -> None:
    with ResultsFile(path), pytest.raises(ResultsError, match="another process writes to the results file"):
        ResultsFile(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema"),
        ({"network": 3}, "network"),
        ({"device": "a\nb"}, "device"),
        ({"threads": True}, "threads"),
        ({"file_bytes": -1}, "file_bytes"),
        ({"turns_ms": []}, "turns_ms"),
        ({"turns_ms": [0]}, "turns_ms"),
        ({"turns_ms": ["1"]}, "turns_ms"),
        ({"turns_ms": [1e400]}, "turns_ms"),
        ({"bounds_ms": [1]}, "bounds_ms"),
        ({"memory_bytes": 1.5}, "memory_bytes"),
    ],
)
def test_malformed_lines_are_named(path: Path, change: dict[str, object], message: str) -> None:
    line = json.dumps({**json.loads(make_result(1.0).line()), **change}) + "\n"
    write(path, make_result(1.0).line(), line)
    with pytest.raises(ResultsError, match=rf"choose\.jsonl, line 2: {message}"):
        ResultsFile(path)
    assert path.read_text().endswith(line)


@pytest.mark.parametrize("junk", ["[]\n", "no JSON\n", "[" * 100_000 + "\n", "9" * 70_000 + "\n"], ids=len)
def test_junk(path: Path, junk: str) -> None:
    with pytest.raises(ResultsError, match="line 1"):
        ResultsFile(write(path, junk))


def test_other_sources_are_another_compiler() -> None:
    version, _, digest = compiler_version().rpartition("+")
    assert version
    assert len(digest) == 8
