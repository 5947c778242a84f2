from __future__ import annotations

import importlib.util
import math
import platform
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from separable.compiler.errors import CompileError, InputError, InvalidModel, VerificationFailed
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Compiled, compile_model
from separable.compiler.verify import (
    Deviation,
    Verification,
    check_runs_here,
    deviation,
    verify_library,
)
from separable.targets.table import find_target

from .models import make_model, node, random, save
from .tiny import save_tiny, tiny_model

NAN, INF = math.nan, math.inf


class TestDeviation:
    @pytest.mark.parametrize(
        ("actual", "expected", "max_abs", "relative"),
        [
            ([1, 2, 5], [1, 2, 5], 0, 0),
            ([1, 2, 5.5], [1, 3, 5], 1, 0.25),
            ([2], [4], 2, 0.5),
            ([0.5, 0.5], [0, 0], 0.5, 0.5),
            ([NAN, 1, 3], [NAN, 1, 3], 0, 0),
            ([INF, 1, 3], [INF, 1, 3], 0, 0),
            ([NAN, 1, 3], [2, 1, 3], INF, INF),
            ([2, 1, 3], [NAN, 1, 3], INF, INF),
            ([-INF, 1, 3], [INF, 1, 3], INF, INF),
            ([1, 1, 3], [INF, 1, 3], INF, INF),
            ([], [], 0, 0),
        ],
    )
    def test_is_relative_to_the_range(
        self, actual: list[float], expected: list[float], max_abs: float, relative: float
    ) -> None:
        found = deviation("y", np.array(actual, np.float32), np.array(expected, np.float32))
        assert (found.max_abs, found.relative) == (max_abs, relative)

    def test_integers(self) -> None:
        assert deviation("y", np.array([0, 255], np.uint8), np.array([255, 0], np.uint8)).relative == 1

    def test_every_output_above_the_tolerance_is_listed(self) -> None:
        found = [Deviation("good", 1e-6, 1), Deviation("bad", 1e-3, 1), Deviation("worse", math.nan, 1)]
        verification = Verification("a reference", tuple(found))
        with pytest.raises(VerificationFailed, match=r"a reference differ by more than 0\.0001") as error:
            verification.require()
        assert "'good'" not in str(error.value)
        assert "'bad': 1.00e-03" in str(error.value)
        assert "'worse'" in str(error.value)
        Verification("", tuple(found[:2])).require(0.01)


class TestVerifyLibrary:
    def test_against_onnx_runtime(self, tiny: Compiled, tiny_onnx: Path) -> None:
        verification = verify_library(tiny.library, tiny_onnx, seed=5)
        assert verification.reference.startswith("ONNX Runtime ")
        assert [item.output for item in verification.deviations] == ["y"]
        assert verification.max_error < 1e-5

    def test_against_the_reference_implementation(
        self, tiny: Compiled, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "onnxruntime" else find_spec(n))
        verification = verify_library(tiny.library, tiny_onnx)
        assert verification.reference.startswith("ONNX's reference implementation ")
        assert verification.max_error < 1e-5

    def test_on_given_inputs(self, tiny: Compiled, tiny_onnx: Path) -> None:
        x = np.full((1, 3, 8, 8), 0.5, np.float32)
        assert verify_library(tiny.library, tiny_onnx, {"x": x}).max_error < 1e-5

    def test_other_weights_are_found(self, tiny: Compiled, tmp_path: Path) -> None:
        other = save(tiny_model(pw_w=random(16, 8, 1, 1, seed=99)), tmp_path)
        with pytest.raises(VerificationFailed, match="'y'"):
            verify_library(tiny.library, other).require()

    def test_another_model(self, tiny: Compiled, tmp_path: Path) -> None:
        relu = save(make_model([node("Relu", "z")], {"z": [1, 3, 8, 8]}), tmp_path)
        with pytest.raises(InputError, match="compiled from another model: its inputs are x, those of the ONNX file z"):
            verify_library(tiny.library, relu)

    def test_another_size(self, tiny: Compiled, tmp_path: Path) -> None:
        for shape in ([1, 3, 16, 16], [1, 3, 8]):
            model = tiny_model()
            model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, shape))
            with pytest.raises(InputError, match=r"x float32\[1, 3, 8, 8\], that of the ONNX file \[1, 3,"):
                verify_library(tiny.library, save(model, tmp_path))

    def test_another_shape(self, tiny: Compiled, tmp_path: Path) -> None:
        model = tiny_model()
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 5]))
        model.graph.node[-1].output[0] = "logits"
        model.graph.node.append(node("Unsqueeze", "logits axes", "y"))
        model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "axes"))
        with pytest.raises(InputError, match=r"output 'y' is \[1, 5\] in the library, \[1, 1, 5\] in ONNX"):
            verify_library(tiny.library, save(model, tmp_path))

    def test_a_model_that_the_reference_cannot_run(self, tiny: Compiled, tiny_onnx: Path) -> None:
        with pytest.raises(InvalidModel, match=r"ONNX Runtime .* cannot run .*tiny\.onnx"):
            verify_library(tiny.library, tiny_onnx, {"x": np.zeros((1, 4, 8, 8), np.float32)})


class TestCompileAndVerify:
    def test_a_library_that_fails_is_not_delivered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        failed = Verification("a reference", (Deviation("y", 1, 1),))
        monkeypatch.setattr("separable.compiler.pipeline.verify_library", lambda *_: failed)
        with pytest.raises(VerificationFailed):
            compile_model(CompileOptions(save_tiny(tmp_path), output=tmp_path / "out", verify=True))
        assert not (tmp_path / "out").exists()

    def test_another_architecture_is_refused_before_any_work(self, tmp_path: Path) -> None:
        foreign = "x86-64" if platform.machine() == "aarch64" else "arm64"
        with pytest.raises(CompileError, match=f"for {foreign} .* cannot be verified on this"):
            compile_model(CompileOptions(tmp_path / "none.onnx", target=foreign, verify=True))

    def test_this_architecture_is_accepted(self) -> None:
        check_runs_here(find_target("native"))
