from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from separable.benchmarks import conversion
from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.conversion import Entrant, conversion_key, prepare_entrant
from separable.benchmarks.environments import ENVIRONMENTS, Environment, EnvironmentFailed
from separable.benchmarks.workload import Workload


def script(path: Path, text: str) -> Path:
    """An interpreter that does what ``text`` says; its arguments are those of the converters' command line."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_ours_and_onnx_need_no_conversion(workload: Workload, tmp_path: Path) -> None:
    assert prepare_entrant("ours", workload, tmp_path) == Entrant("ours", workload.library)
    assert prepare_entrant("onnxruntime", workload, tmp_path) == Entrant("onnxruntime", workload.model)


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes model.v2.xml, model.v2.bin and a file that nobody needs; notes each call in the file ``calls``."""
    text = f"""
    echo chatter | tee "$5"
    echo "$5" >> "{tmp_path}/calls"
    touch "$6/model.v2.xml" "$6/model.v2.bin" "$6/model.log"
    printf "%s/model.v2.xml" "$6" > "$7"
    """
    python = script(tmp_path / "python", text)
    monkeypatch.setattr(conversion, "make_environment", lambda name: python)
    return python


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_converter_names_the_file(workload: Workload, tmp_path: Path, converter: Path) -> None:
    entrant = prepare_entrant("openvino", workload, tmp_path / "converted")
    place = tmp_path / "converted" / "openvino" / conversion_key("openvino", workload.static_model)
    assert entrant == Entrant("openvino", place / "model.v2.xml", converter)
    assert names(place) == {"model.v2.xml", "model.v2.bin", "result.txt"}
    assert names(place.parent) == {place.name}
    # Converters get a copy, which they may spoil.
    assert workload.static_model.read_bytes() != b"chatter\n"


def test_a_model_is_converted_once(workload: Workload, tmp_path: Path, converter: Path) -> None:
    first = prepare_entrant("openvino", workload, tmp_path / "converted")
    # A copy elsewhere is the same model.
    copy = workload.static_model.rename(tmp_path / "copy.onnx")
    assert prepare_entrant("openvino", replace(workload, static_model=copy), tmp_path / "converted") == first
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_converted_again_when_anything_changes(
    workload: Workload, tmp_path: Path, converter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, keys = workload.static_model, []

    def convert() -> None:
        keys.append(prepare_entrant("openvino", workload, tmp_path / "converted").model.parent.name)

    convert()
    monkeypatch.setitem(ENVIRONMENTS, "openvino", Environment(("openvino==1",)))
    convert()
    code = tmp_path / "converters"
    code.mkdir()
    (code / "openvino.py").write_text("# other options")
    monkeypatch.setattr(conversion, "_CONVERTERS", code)
    convert()
    model.write_bytes(model.read_bytes() + b"\0")
    convert()
    assert len(set(keys)) == 4
    assert len((tmp_path / "calls").read_text().splitlines()) == 4


def test_a_failing_converter_has_the_last_word(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = script(tmp_path / "python", "echo first; echo it cannot be done >&2; exit 1")
    monkeypatch.setattr(conversion, "make_environment", lambda name: python)
    with pytest.raises(ContenderFailed, match=r"^mnn: the model cannot be converted: it cannot be done$"):
        prepare_entrant("mnn", workload, tmp_path / "converted")
    # Nothing that a later run would take for a model.
    assert names(tmp_path / "converted" / "mnn") == set()


def test_an_environment_that_cannot_be_made(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> Path:
        raise EnvironmentFailed(f"environment {name} cannot be installed")

    monkeypatch.setattr(conversion, "make_environment", fail)
    with pytest.raises(ContenderFailed, match=r"^ncnn: environment ncnn cannot be installed$"):
        prepare_entrant("ncnn", workload, tmp_path)
