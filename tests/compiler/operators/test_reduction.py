from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.errors import UnsupportedOp
from separable.compiler.importer import import_model
from tests.compiler.models import assert_matches_onnxruntime, evaluate, make_model, node, random, save


@pytest.mark.parametrize("op", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [1, 1], "strides": [3, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [5, 3], "auto_pad": "VALID", "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    ],
)
def test_pools(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model([node(op, "x", **attributes)], {"x": [1, 3, 8, 9]})
    assert_matches_onnxruntime(model, tmp_path, random(1, 3, 8, 9))


@pytest.mark.parametrize("op", ["AveragePool", "MaxPool"])
def test_a_window_larger_than_the_image(op: str, tmp_path: Path) -> None:
    model = make_model([node(op, "x", name="p", kernel_shape=[2, 3], strides=[3, 3])], {"x": [1, 1, 4, 1]})
    with pytest.raises(
        UnsupportedOp, match=r"'p' .*its window of \[2, 3\] pixels is larger than its input of \[4, 1\]"
    ):
        import_model(save(model, tmp_path), {})


def test_an_average_of_padding_alone(tmp_path: Path) -> None:
    model = make_model(
        [node("AveragePool", "x", name="p", kernel_shape=[1, 2], pads=[0, 0, 0, 2])], {"x": [1, 1, 4, 4]}
    )
    with pytest.raises(UnsupportedOp, match=r"'p' .*a window that lies in the padding has no average"):
        import_model(save(model, tmp_path), {})


def test_average_pool_that_counts_its_padding(tmp_path: Path) -> None:
    attributes: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    model = make_model([node("AveragePool", "x", **attributes)], {"x": [1, 3, 8, 9]})
    assert_matches_onnxruntime(model, tmp_path, random(1, 3, 8, 9))


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools(op: str, tmp_path: Path) -> None:
    model = make_model([node(op, "x")], {"x": [2, 3, 4, 5]})
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 4, 5))


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"])
@pytest.mark.parametrize("attributes", [{"axes": [2, 3]}, {"axes": [-1], "keepdims": 0}, {}])
def test_reductions(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model([node(op, "x", **attributes)], {"x": [2, 3, 4, 5]})
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 4, 5))


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"])
@pytest.mark.parametrize("attributes", [{"axes": [2, 3]}, {"axes": [-1], "keepdims": 0}, {}])
def test_reductions_that_compute(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model([node(op, "x", **attributes)], {"x": [2, 3, 4, 5]})
    assert_matches_onnxruntime(model, tmp_path, 3 * random(2, 3, 4, 5))


def test_logarithm_of_a_sum(tmp_path: Path) -> None:
    model = make_model([node("ReduceLogSum", "x", axes=[1])], {"x": [2, 3, 4]})
    assert_matches_onnxruntime(model, tmp_path, np.abs(random(2, 3, 4)))


def test_a_large_exponent_does_not_overflow(tmp_path: Path) -> None:
    model = make_model([node("ReduceLogSumExp", "x", axes=[1])], {"x": [1, 3]})
    assert_matches_onnxruntime(model, tmp_path, np.array([[100, 200, 200.5]], np.float32))
    (actual,) = evaluate(import_model(save(model, tmp_path), {}).mod, np.array([[100, np.inf, 200.5]], np.float32))
    assert actual.item() == np.inf


@pytest.mark.parametrize("shape", [(2, 7, 3, 4), (1, 1, 2, 2), (3, 6)])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_normalisation(shape: tuple[int, ...], size: int, tmp_path: Path) -> None:
    model = make_model([node("LRN", "x", size=size, alpha=0.5, beta=0.75, bias=2.0)], {"x": list(shape)})
    x = random(*shape)
    # ONNX Runtime wants images, and a window of an odd size.
    if len(shape) == 4 and size % 2:
        assert_matches_onnxruntime(model, tmp_path, x)
    (actual,) = evaluate(import_model(save(model, tmp_path), {}).mod, x)
    squares = np.square(x, dtype=np.float64)
    windows = [slice(max(0, c - (size - 1) // 2), c + size // 2 + 1) for c in range(shape[1])]
    sums = np.stack([squares[:, window].sum(axis=1) for window in windows], axis=1)
    np.testing.assert_allclose(actual, x / (2 + 0.5 / size * sums) ** 0.75, rtol=1e-5)


@pytest.mark.parametrize("size", [13, 15, 1 << 40])
def test_normalisation_across_all_channels(size: int, tmp_path: Path) -> None:
    model = make_model([node("LRN", "x", size=size, alpha=0.5 * size, bias=2.0)], {"x": [2, 7, 3, 4]})
    x = random(2, 7, 3, 4)
    (actual,) = evaluate(import_model(save(model, tmp_path), {}).mod, x)
    sums = np.square(x, dtype=np.float64).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(actual, x / (2 + 0.5 * sums) ** 0.75, rtol=1e-5)


def test_normalisation_across_no_channel(tmp_path: Path) -> None:
    model = make_model([node("LRN", "x", name="n", size=0)], {"x": [1, 3, 8, 8]})
    with pytest.raises(UnsupportedOp, match=r"'n' \(LRN\): its size is 0, but"):
        import_model(save(model, tmp_path), {})


def test_reduction_with_axes_as_operand(tmp_path: Path) -> None:
    model = make_model([node("ReduceSum", "x a")], {"x": [2, 3, 4]}, weights={"a": np.array([-2])})
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 4))


@pytest.mark.parametrize("opset", [12, 13])
@pytest.mark.parametrize("axis", [1, 2, None])
def test_softmax(opset: int, axis: int | None, tmp_path: Path) -> None:
    attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
    model = make_model([node("Softmax", "x", **attributes)], {"x": [2, 3, 4]}, opset=opset)
    assert_matches_onnxruntime(model, tmp_path, random(2, 3, 4))


def test_indices_of_maxima_are_refused(tmp_path: Path) -> None:
    nodes = [node("MaxPool", "x", "t i", kernel_shape=[2, 2]), node("Cast", "i", to=1)]
    with pytest.raises(UnsupportedOp, match="int64"):
        import_model(save(make_model(nodes, {"x": [1, 1, 4, 4]}), tmp_path), {})
