from __future__ import annotations

from pathlib import Path

import pytest

from separable.benchmarks import conversion
from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.conversion import Entrant, prepare_entrant
from separable.benchmarks.environments import EnvironmentFailed
from separable.benchmarks.workload import Workload


def script(path: Path, text: str) -> Path:
    """An interpreter that does what ``text`` says; its arguments are those of the converters' command line."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_ours_and_onnx_need_no_conversion(workload: Workload, tmp_path: Path) -> None:
    assert prepare_entrant("ours", workload, tmp_path) == Entrant("ours", workload.library)
    assert prepare_entrant("onnxruntime", workload, tmp_path) == Entrant("onnxruntime", workload.model)


def test_the_converter_names_the_file(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = script(tmp_path / "python", 'echo chatter; printf "%s/model.xml" "$6" > "$7"')
    monkeypatch.setattr(conversion, "make_environment", lambda name: python)
    entrant = prepare_entrant("openvino", workload, tmp_path / "converted")
    assert entrant == Entrant("openvino", tmp_path / "converted" / "openvino" / "relu" / "model.xml", python)


def test_a_failing_converter_has_the_last_word(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = script(tmp_path / "python", "echo first; echo it cannot be done >&2; exit 1")
    monkeypatch.setattr(conversion, "make_environment", lambda name: python)
    with pytest.raises(ContenderFailed, match=r"^mnn: the model cannot be converted: it cannot be done$"):
        prepare_entrant("mnn", workload, tmp_path / "converted")


def test_an_environment_that_cannot_be_made(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> Path:
        raise EnvironmentFailed(f"environment {name} cannot be installed")

    monkeypatch.setattr(conversion, "make_environment", fail)
    with pytest.raises(ContenderFailed, match=r"^ncnn: environment ncnn cannot be installed$"):
        prepare_entrant("ncnn", workload, tmp_path)
