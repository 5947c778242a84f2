from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.exprs import Array
from separable.compiler.importer import import_model
from tests.compiler.models import assert_matches_onnxruntime, make_model, node, operators, random, save

SHAPE = (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Abs", {}),
        ("Cast", {"to": 1}),
        ("Dropout", {}),
        ("Elu", {"alpha": 0.7}),
        ("Exp", {}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        ("HardSwish", {}),
        ("LeakyRelu", {"alpha": 0.2}),
        ("Neg", {}),
        ("Reciprocal", {}),
        ("Relu", {}),
        ("Sigmoid", {}),
        ("Softplus", {}),
        ("Tanh", {}),
    ],
)
def test_unary(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    # A second node, so that an operator that does nothing still leaves something to compute.
    nodes = [node(op, "x", "t", **attributes), node("Identity", "t", "i"), node("Neg", "i", name="last")]
    assert_matches_onnxruntime(make_model(nodes, {"x": SHAPE}, opset=14), tmp_path, 4 * random(*SHAPE))


@pytest.mark.parametrize("op", ["Log", "Sqrt"])
def test_unary_of_positive_numbers(op: str, tmp_path: Path) -> None:
    model = make_model([node(op, "x")], {"x": SHAPE})
    assert_matches_onnxruntime(model, tmp_path, np.abs(random(*SHAPE)) + np.float32(0.1))


@pytest.mark.parametrize("op", ["Add", "Div", "Max", "Min", "Mul", "Sub"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 1, 1), (5,), ()])
def test_binary_broadcasts(op: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    model = make_model([node(op, "x c")], {"x": SHAPE}, weights={"c": np.abs(random(*shape)) + np.float32(0.5)})
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


@pytest.mark.parametrize("op", ["Max", "Min", "Sum"])
def test_variadic(op: str, tmp_path: Path) -> None:
    model = make_model([node(op, "a b c")], dict.fromkeys("abc", SHAPE))
    assert_matches_onnxruntime(model, tmp_path, *(random(*SHAPE, seed=seed) for seed in range(3)))


def test_power(tmp_path: Path) -> None:
    model = make_model([node("Pow", "x c")], {"x": SHAPE}, weights={"c": np.array(2, np.float32)})
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


@pytest.mark.parametrize("exponent", [np.array(2), np.array([1, 2, 3, 0, -1]), np.array(2, np.int32)])
def test_power_with_an_exponent_of_integers(exponent: Array, tmp_path: Path) -> None:
    model = make_model([node("Pow", "x c")], {"x": SHAPE}, weights={"c": exponent})
    assert_matches_onnxruntime(model, tmp_path, np.abs(random(*SHAPE)) + np.float32(0.5))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 6.0, ["clip", "negative"]),
        (0.0, None, ["nn.relu", "negative"]),
        (-0.5, None, ["maximum", "negative"]),
        (None, 0.5, ["minimum", "negative"]),
        (-np.inf, np.inf, ["negative"]),
    ],
)
@pytest.mark.parametrize("opset", [9, 13])
def test_clip(low: float | None, high: float | None, expected: list[str], opset: int, tmp_path: Path) -> None:
    bounds: dict[str, Any] = {name: value for name, value in (("min", low), ("max", high)) if value is not None}
    if opset < 11:
        clip, weights = node("Clip", "x", "t", **bounds), {}
    else:
        clip = node("Clip", " ".join(["x", *(name if name in bounds else "_" for name in ("min", "max"))]), "t")
        weights = {name: np.array(value, np.float32) for name, value in bounds.items()}
    model = make_model([clip, node("Neg", "t")], {"x": SHAPE}, weights=weights, opset=opset)
    assert operators(import_model(save(model, tmp_path), {}).mod) == expected
    assert_matches_onnxruntime(model, tmp_path, 4 * random(*SHAPE))


@pytest.mark.parametrize(("low", "high"), [(-np.inf, -np.inf), (1, -np.inf), (np.inf, np.inf), (np.inf, 1)])
def test_clip_to_infinity(low: float, high: float, tmp_path: Path) -> None:
    weights = {"min": np.array(low, np.float32), "max": np.array(high, np.float32)}
    model = make_model([node("Clip", "x min max")], {"x": SHAPE}, weights=weights)
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


@pytest.mark.parametrize(("shape", "expected"), [((3, 1, 1), "nn.prelu"), ((1,), "nn.leakyrelu")])
def test_prelu(shape: tuple[int, ...], expected: str, tmp_path: Path) -> None:
    model = make_model([node("PRelu", "x s")], {"x": SHAPE}, weights={"s": random(*shape, seed=1)})
    assert operators(import_model(save(model, tmp_path), {}).mod) == [expected]
    assert_matches_onnxruntime(model, tmp_path, random(*SHAPE))


def test_prelu_needs_one_slope_per_channel(tmp_path: Path) -> None:
    model = make_model([node("PRelu", "x s")], {"x": SHAPE}, weights={"s": random(3, 4, 5)})
    with pytest.raises(UnsupportedOp, match="one number per channel"):
        import_model(save(model, tmp_path), {})
