"""The torch module computes what ONNX Runtime computes, and says which node it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from separable.benchmarks.converters.onnx_to_torch import OnnxModule
from separable.benchmarks.reference import reference_outputs

Operand = np.ndarray | None


def one_node(operator: str, shape: list[int], operands: list[Operand], **attributes: Any) -> onnx.ModelProto:
    """y = operator(x, operands ...), x of the given shape."""
    initializers = [
        numpy_helper.from_array(array, f"c{index}") for index, array in enumerate(operands) if array is not None
    ]
    names = ["" if array is None else f"c{index}" for index, array in enumerate(operands)]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *names], ["y"], name="the_node", **attributes)],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.5, 1, shape).astype(np.float32)


CASES = {
    "convolution": one_node("Conv", [1, 4, 7, 7], [draw(6, 2, 3, 3), draw(6)], group=2, pads=[1] * 4, strides=[2, 2]),
    "asymmetric padding": one_node("Conv", [1, 2, 6, 6], [draw(2, 2, 3, 3)], pads=[0, 0, 1, 1], strides=[2, 2]),
    "batch normalisation": one_node(
        "BatchNormalization", [1, 3, 2, 2], [draw(3), draw(3), draw(3), draw(3)], epsilon=1e-3
    ),
    "clip": one_node("Clip", [1, 8], [np.array(-0.5, np.float32), np.array(0.5, np.float32)]),
    "clip from below": one_node("Clip", [1, 8], [np.array(0, np.float32)]),
    "sum with a constant": one_node("Add", [1, 3], [draw(3)]),
    "dense": one_node("Gemm", [1, 5], [draw(4, 5), draw(4)], transB=1),
    "average pool": one_node("AveragePool", [1, 2, 6, 6], [], kernel_shape=[3, 3], pads=[1] * 4, strides=[3, 3]),
    "maximum pool": one_node("MaxPool", [1, 2, 6, 6], [], kernel_shape=[2, 2], strides=[2, 2]),
    "global pool": one_node("GlobalAveragePool", [1, 2, 3, 3], []),
    "softmax": one_node("Softmax", [1, 6], [], axis=1),
    "reshape": one_node("Reshape", [1, 4, 6], [integers(0, -1, 2)]),
    "transpose": one_node("Transpose", [1, 2, 3, 4], [], perm=[0, 2, 3, 1]),
    "slice": one_node("Slice", [1, 6, 4], [integers(1), integers(6), integers(1), integers(2)]),
    "resize by sizes": one_node("Resize", [1, 2, 3, 4], [None, None, integers(1, 2, 6, 8)], mode="nearest"),
    "resize by scales": one_node(
        "Resize",
        [1, 2, 3, 4],
        [None, np.array([1, 1, 2, 2], np.float32)],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_onnx_runtime(name: str, tmp_path: Path) -> None:
    model, path = CASES[name], tmp_path / "net.onnx"
    onnx.save(model, path)
    module = OnnxModule(model).eval()
    (shape,) = module.input_shapes
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    (actual,) = module(torch.from_numpy(x))
    np.testing.assert_allclose(actual.numpy(), reference_outputs(path, {"x": x})["y"], rtol=1e-5, atol=1e-6)


def test_an_unknown_operator_is_named() -> None:
    with pytest.raises(NotImplementedError, match="node the_node: operator Erf is not translated"):
        OnnxModule(one_node("Erf", [1, 2], []))


def test_a_mode_that_would_be_wrong_is_refused() -> None:
    module = OnnxModule(one_node("Resize", [1, 1, 2, 2], [None, None, integers(1, 1, 4, 4)], mode="linear"))
    with pytest.raises(NotImplementedError, match="nearest neighbour only"):
        module(torch.zeros(1, 1, 2, 2))
