from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.exprs import Array
from separable.compiler.importer import import_model
from tests.compiler.models import assert_matches_onnxruntime, make_model, node, random, save


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 1, 2, 0], "strides": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
        {"group": 2, "pads": [1, 1, 1, 1]},
        {"group": 4, "pads": [1, 1, 1, 1], "dilations": [2, 1]},
    ],
)
def test_convolution(size: int, attributes: dict[str, Any], tmp_path: Path) -> None:
    groups = attributes.get("group", 1)
    assert isinstance(groups, int)
    weights = {"w": random(8, 4 // groups, 3, 3, seed=1), "b": random(8, seed=2)}
    model = make_model([node("Conv", "x w b", **attributes)], {"x": [1, 4, size, size]}, weights=weights)
    assert_matches_onnxruntime(model, tmp_path, random(1, 4, size, size))


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [({}, (5, 6)), ({"transB": 1}, (6, 5)), ({"alpha": 0.5, "beta": 2.0}, (5, 6)), ({"beta": 0.0}, (5, 6))],
)
def test_gemm(attributes: dict[str, Any], shape: tuple[int, int], tmp_path: Path) -> None:
    weights = {"w": random(*shape, seed=1), "b": random(6, seed=2)}
    model = make_model([node("Gemm", "x w b", **attributes)], {"x": [3, 5]}, weights=weights)
    assert_matches_onnxruntime(model, tmp_path, random(3, 5))


def test_gemm_with_transposed_input(tmp_path: Path) -> None:
    model = make_model([node("Gemm", "x w", transA=1)], {"x": [5, 3]}, weights={"w": random(5, 6)})
    assert_matches_onnxruntime(model, tmp_path, random(5, 3))


def test_matmul(tmp_path: Path) -> None:
    model = make_model([node("MatMul", "x w")], {"x": [2, 3, 5]}, weights={"w": random(5, 4)})
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 5))


@pytest.mark.parametrize(
    ("weight", "inputs", "message"),
    [
        (random(4, 3, 3), [1, 3, 9], "1-D convolutions"),
        (random(4, 3, 1, 1, 1), [1, 3, 4, 4, 4], "3-D convolutions"),
    ],
)
def test_only_two_dimensional_convolutions(
    weight: Array, inputs: list[int | str | None], message: str, tmp_path: Path
) -> None:
    model = make_model([node("Conv", "x w", name="c")], {"x": inputs}, weights={"w": weight})
    with pytest.raises(UnsupportedOp, match=f"'c' \\(Conv\\): {message}"):
        import_model(save(model, tmp_path), {})


@pytest.mark.parametrize(
    ("attributes", "bias", "message"),
    [
        ({"kernel_shape": [3, 3]}, 4, r"kernel_shape is \[3, 3\], but the weights are \[1, 1\] pixels"),
        ({}, 7, r"its bias has shape \[7\], but must have one number for each of 4 channels"),
        ({}, 1, r"its bias has shape \[1\]"),
    ],
)
def test_weights_and_bias_fit_the_attributes(
    attributes: dict[str, Any], bias: int, message: str, tmp_path: Path
) -> None:
    weights = {"w": random(4, 2, 1, 1), "b": random(bias)}
    model = make_model([node("Conv", "x w b", name="c", **attributes)], {"x": [1, 2, 8, 8]}, weights=weights)
    with pytest.raises(UnsupportedOp, match=rf"'c' \(Conv\): {message}"):
        import_model(save(model, tmp_path), {})


def test_a_bias_must_not_stretch_the_product(tmp_path: Path) -> None:
    weights = {"w": random(5, 6), "b": random(4, 6)}
    model = make_model([node("Gemm", "x w b", name="g")], {"x": [1, 5]}, weights=weights)
    message = r"'g' \(Gemm\): .* 'y' should be float32 \[1, 6\], but comes out as float32 \[4, 6\]"
    with pytest.raises(UnsupportedOp, match=message):
        import_model(save(model, tmp_path), {})


def test_weights_must_be_constant(tmp_path: Path) -> None:
    model = make_model([node("Conv", "x w", name="c")], {"x": [1, 2, 4, 4], "w": [3, 2, 1, 1]})
    with pytest.raises(UnsupportedOp, match="weights must be constant"):
        import_model(save(model, tmp_path), {})


def test_batch_normalization_in_training_mode_is_refused(tmp_path: Path) -> None:
    statistics = {name: random(2) for name in "abcd"}
    nodes = [node("BatchNormalization", "x a b c d", "y m v", training_mode=1)]
    model = make_model(nodes, {"x": [1, 2, 4, 4]}, weights=statistics, opset=15)
    with pytest.raises(UnsupportedOp, match="training mode"):
        import_model(save(model, tmp_path), {})
