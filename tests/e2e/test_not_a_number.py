"""What is no number comes out where ONNX Runtime has it: activations do not turn it into one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compiler.models import make_model, node, random, save

from .support import CompileLibrary, reference

TARGETS = ["native", "x86-64-v2", "arm64:generic", "arm64:cortex-a53", "armv7"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pointwise and depthwise convolutions of a few vectors and a rest, with the usual activations."""
    nodes = [
        node("Conv", "x pointwise", "a", name="first"),
        node("Relu", "a", "b"),
        node("Conv", "b depthwise", "c", name="second", group=21, pads=[1, 1, 1, 1]),
        node("Clip", "c low high", "d"),
        node("Conv", "d pointwise2", "e", name="third"),
        node("HardSwish", "e", "y"),
    ]
    weights = {
        "pointwise": random(21, 13, 1, 1),
        "depthwise": random(21, 1, 3, 3),
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
        "pointwise2": random(5, 21, 1, 1),
    }
    model = make_model(nodes, {"x": [1, 13, 7, 7]}, weights=weights, opset=14)
    return save(model, tmp_path_factory.mktemp("network"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_pixel(value: float, target: str, network: Path, compile_library: CompileLibrary) -> None:
    x = random(1, 13, 7, 7, seed=1)
    x[0, 5, 2, 3] = value
    (expected,) = reference(network, {"x": x})
    (actual,) = compile_library(network, target).run({"x": x}, 1)
    assert 0 < np.isnan(expected).sum() < expected.size or value == np.inf
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("target", TARGETS)
def test_activations_of_plain_tensors(target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """Without a convolution before them they are TVM's."""
    kinds = {"relu": "Relu", "clip": "Clip", "hard": "HardSigmoid", "elu": "Elu"}
    nodes = [node(kind, "x low high" if kind == "Clip" else "x", name) for name, kind in kinds.items()]
    weights = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    model = save(make_model(nodes, {"x": [7]}, " ".join(kinds), weights, opset=14), tmp_path)
    x = np.array([np.nan, 1, -1, np.nan, np.inf, -np.inf, 7], np.float32)
    actual = compile_library(model, target).run({"x": x}, 1)
    np.testing.assert_allclose(actual, reference(model, {"x": x}), rtol=1e-6, atol=1e-6)
