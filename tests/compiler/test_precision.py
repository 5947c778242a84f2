"""``--precision``: which targets have it, which weights fit it, and what the manifest says of its error."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from separable.compiler import measure_error as module
from separable.compiler.errors import UnknownTarget, UnsupportedPrecision
from separable.compiler.measure_error import measure_error
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.compiler.precision import check_precision
from separable.compiler.verify import Deviation, Verification
from separable.targets.table import find_variants

from .models import random, save
from .tiny import tiny_model


@pytest.mark.parametrize("name", ["arm64:cortex-a55", "arm64:cortex-a76", "android-arm64:cortex-a76", "arm64+fp16"])
def test_targets_that_have_it(name: str) -> None:
    check_precision("fp16", find_variants(name).rows)


@pytest.mark.parametrize("name", ["arm64", "arm64:cortex-a53", "x86-64-v4", "armv7"])
def test_targets_that_lack_it(name: str) -> None:
    check_precision("fp32", find_variants(name).rows)
    with pytest.raises(UnsupportedPrecision, match=r"--precision fp16 needs float16 arithmetic, which .* lacks"):
        check_precision("fp16", find_variants(name).rows)


def test_a_fat_target_is_refused_by_the_core_that_lacks_it() -> None:
    match = r"which arm64:cortex-a72, one of this target's cores, lacks; targets that have it: arm64:cortex-a55, "
    with pytest.raises(UnsupportedPrecision, match=match):
        check_precision("fp16", find_variants("arm64").rows)


def test_an_unknown_precision() -> None:
    with pytest.raises(UnsupportedPrecision, match="unknown precision 'int4'; known: fp32, fp16"):
        check_precision("int4", find_variants("arm64:cortex-a76").rows)


def test_weights_beyond_float16_are_refused_by_node(tmp_path: Path) -> None:
    model = save(tiny_model(pw_w=random(16, 8, 1, 1, seed=1) * np.float32(1e6)), tmp_path)
    with pytest.raises(UnsupportedPrecision, match=r"(?s)up to 65504; compile this model with --precision fp32:.*  - "):
        compile_model(CompileOptions(model, "arm64:cortex-a76", tmp_path / "out", precision="fp16"))
    assert not (tmp_path / "out").exists()


def measured(monkeypatch: pytest.MonkeyPatch, error: float) -> tuple[dict[str, object], tuple[str, ...]]:
    found = Verification("a reference", (Deviation("good", 0, 1), Deviation("bad", error, 1)), "fp16")
    monkeypatch.setattr(module, "verify_library", lambda *_: found)
    return measure_error(lambda: Path("a.so"), Path("a.onnx"))


def test_the_error_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"max_error": 0.01, "verified_against": "a reference, by emulation"}
    assert measured(monkeypatch, 0.01) == (fields, ())


def test_a_large_error_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    fields, (note,) = measured(monkeypatch, 0.2)
    assert fields["max_error"] == 0.2
    assert note.startswith("output 'bad' is off by up to 20% of the range")


def test_outputs_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedPrecision, match="output 'bad' is not finite in float16"):
        measured(monkeypatch, math.inf)


def test_a_machine_that_cannot_measure_says_so() -> None:
    def emulated() -> Path:
        raise UnknownTarget("emulated-fp16 needs f16c")

    fields, (note,) = measure_error(emulated, Path("a.onnx"))
    assert fields == {}
    assert note == "the error of float16 was not measured: emulated-fp16 needs f16c"


def test_the_manifest_of_another_architecture_states_it(tmp_path: Path) -> None:
    model = save(tiny_model(), tmp_path)
    manifest = compile_model(CompileOptions(model, "arm64:cortex-a76", tmp_path / "out", precision="fp16")).manifest
    assert manifest["precision"] == "fp16"
    assert 1e-6 < manifest["max_error"] < 0.05
    assert manifest["verified_against"].endswith(", by emulation")
