"""The whole command: what fails does not cost what was measured before and after."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from separable.benchmarks import series
from separable.benchmarks.__main__ import app
from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.conversion import Entrant, prepare_entrant
from separable.benchmarks.workload import Workload

from ..compiler.tiny import save_tiny


def run(tmp_path: Path, models: str, peers: str = "onnxruntime") -> tuple[int, str]:
    options = ["--models", models, "--peers", peers, "--threads", "1", "--rounds", "6", "--processes", "2"]
    done = CliRunner().invoke(app, [*options, "--results", str(tmp_path / "results")])
    return done.exit_code, done.output


def test_failures_cost_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(name: str, workload: Workload) -> Entrant:
        if name == "ncnn":
            raise ContenderFailed(name, "it cannot be converted")
        return prepare_entrant(name, workload)

    monkeypatch.setattr(series, "prepare_entrant", prepare)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    code, output = run(tmp_path, f"{broken},{save_tiny(tmp_path)}", "onnxruntime,ncnn")
    assert code == 2
    assert "model 1 of 2: broken" in output
    assert "model 2 of 2: tiny" in output
    assert output.splitlines()[-1].startswith("broken failed: ")
    (table,) = (tmp_path / "results").glob("*.csv")
    rows = {row["contender"]: row for row in csv.DictReader(table.open())}
    assert next(iter(rows)) == "Separable"
    assert list(rows)[2:] == ["Separable (C)", "ncnn"]
    assert float(rows["Separable (C)"]["first_run_ms"]) > 0
    assert rows["ncnn"]["failure"] == "it cannot be converted"
    assert {path.suffix for path in (tmp_path / "results").iterdir()} == {".csv", ".html", ".json", ".svg"}
    content = json.loads(table.with_suffix(".json").read_text())
    assert list(content["failures"]) == ["broken"]
    assert [layer["name"] for layer in content["layers"]["tiny"]]


def test_an_interrupt_leaves_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        (table,) = (tmp_path / "results").glob("*.csv")
        assert "Separable" in table.read_text()
        raise KeyboardInterrupt

    monkeypatch.setattr(series, "profile_layers", interrupt)
    code, output = run(tmp_path, str(save_tiny(tmp_path)))
    assert code != 0
    assert "written to " in output
    assert {path.suffix for path in (tmp_path / "results").iterdir()} == {".csv", ".html", ".json", ".svg"}


def test_what_nobody_knows_is_refused_at_once(tmp_path: Path) -> None:
    code, output = run(tmp_path, "v9")
    assert code == 2
    assert "error: 'v9' is neither a file nor a network" in output
    assert not (tmp_path / "results").exists()
