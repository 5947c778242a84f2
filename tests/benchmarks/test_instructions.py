"""What the generated arm64 code executes, against the figures of an earlier state: no timing, no luck."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from separable.benchmarks.instructions.__main__ import app, row_of
from separable.benchmarks.instructions.count import CountFailed, Counts, count_instructions, parse_counts
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1

GOLDEN = Path(__file__).parent / "golden" / "instructions.json"
SMALL, LARGE = (0.25, 128), (1.0, 224)
MULT_ADDS = {SMALL: 13_600_000, LARGE: 568_700_000}
"""Of MobileNet V1 by width and resolution: the paper's 14 M and 569 M."""
CASES = (
    (SMALL, "arm64:generic", "fp32"),
    (SMALL, "arm64:cortex-a53", "fp32"),
    (SMALL, "arm64:cortex-a76", "fp32"),
    (SMALL, "arm64:cortex-a76", "fp16"),
    (LARGE, "arm64:cortex-a76", "fp32"),
    pytest.param(LARGE, "arm64:cortex-a53", "fp32", marks=pytest.mark.slow),
    pytest.param(LARGE, "arm64:cortex-a76", "fp16", marks=pytest.mark.slow),
)
TOLERANCE = 0.02


@pytest.mark.parametrize(("size", "target", "precision"), CASES)
def test_counts_are_those_of_the_golden_file(
    size: tuple[float, int], target: str, precision: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = tmp_path / "model.onnx"
    export_mobilenet_v1(MobileNetV1(*size), model)
    counts = count_instructions(model, target, precision)
    lanes = 4 if precision == "fp32" else 8
    case = f"v1-{size[0]}-{size[1]} {target} {precision}"
    assert 0.98 * MULT_ADDS[size] / lanes < counts.vector_fma < counts.total
    assert 0 < counts.hottest_vector_fma < counts.hottest_instructions
    measured = {name: asdict(counts)[name] for name in ("total", "vector_fma", "vector_loads")}
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--update-golden"):
        known[case] = measured
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    assert case in known, "no golden counts: run pytest --update-golden"
    for name, value in known[case].items():
        assert measured[name] == pytest.approx(value, rel=TOLERANCE), (
            f"{name} was {value}: look at the change of the code, then run pytest --update-golden"
        )


def test_what_the_plugin_wrote_is_read() -> None:
    text = json.dumps(
        {"total": 100, "vector_fma": 80, "vector_loads": 10, "others": 10}
        | {"hottest": {"share": 0.5, "instructions": 20, "vector_fma": 16}}
    )
    counts = parse_counts(text)
    assert counts == Counts(100, 80, 10, 0.5, 20, 16)
    assert row_of("net", "arm64", counts)[-1] == "16 in 20"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"total": 1, "vector_fma": 1, "vector_loads": 1, "hottest": {}}'])
def test_a_broken_report_is_an_error(text: str) -> None:
    with pytest.raises(CountFailed, match="instead of its counts"):
        parse_counts(text)


@pytest.mark.parametrize(("target", "why"), [("x86-64-v3", "counted for arm64"), ("arm46", "did you mean")])
def test_other_targets_are_refused(target: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CountFailed, match=why):
        count_instructions(tmp_path / "absent.onnx", target)


def test_a_missing_emulator_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CountFailed, match="install the package qemu-user"):
        count_instructions(tmp_path / "absent.onnx", "arm64")


def test_an_error_is_told_without_a_traceback() -> None:
    result = CliRunner().invoke(app, ["--models", "absent.onnx"])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
