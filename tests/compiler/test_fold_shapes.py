from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from separable.compiler.errors import InvalidModel
from separable.compiler.exprs import Array
from separable.compiler.fold_shapes import FoldedGraph, TensorType, fold_shapes
from tests.compiler.models import node, random

X = TensorType((1, 4, 6, 8), "float32")


def fold(*nodes: NodeProto, constants: dict[str, Array] | None = None, opset: int = 13) -> FoldedGraph:
    return fold_shapes(nodes, {"x": X}, constants or {}, [helper.make_opsetid("", opset)])


@pytest.mark.parametrize("opset", [9, 13])
def test_a_shape_computation_becomes_a_constant(opset: int) -> None:
    axes: dict[str, Any] = {"axes": [0]} if opset < 13 else {}
    folded = fold(
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "batch"),
        node("Unsqueeze", "batch" if axes else "batch axes", "first", **axes),
        node("Concat", "first rest", "target", axis=0),
        node("Reshape", "x target", "y"),
        constants={"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])},
        opset=opset,
    )
    assert [left.op_type for left in folded.nodes] == ["Reshape"]
    np.testing.assert_array_equal(folded.constants["target"], [1, -1])
    assert folded.types["y"] == TensorType((1, 4 * 6 * 8), "float32")


def test_arithmetic_on_weights_is_folded() -> None:
    weight = random(3, 4)
    folded = fold(
        node("Transpose", "w", "t"), node("Mul", "t c"), constants={"w": weight, "c": np.array([2], np.float32)}
    )
    assert not folded.nodes
    np.testing.assert_allclose(folded.constants["y"], weight.T * 2)


def test_constant_nodes_are_folded() -> None:
    assert fold(node("Constant", "", value_floats=[1.0, 2.0])).constants["y"].tolist() == [1, 2]


def test_what_depends_on_an_input_stays() -> None:
    folded = fold(node("Relu", "x"))
    assert [left.op_type for left in folded.nodes] == ["Relu"]
    assert "y" not in folded.constants
    assert folded.types["y"] == X


@pytest.mark.parametrize("op", ["Expand", "ConstantOfShape"])
def test_a_result_that_grows_without_bound_is_not_computed(op: str) -> None:
    shape = np.array([1 << 20, 1 << 20])
    operands = "one shape" if op == "Expand" else "shape"
    folded = fold(node(op, operands), constants={"one": np.array([1], np.float32), "shape": shape})
    assert [left.op_type for left in folded.nodes] == [op]


@pytest.mark.parametrize("op", ["RandomNormal", "DequantizeLinear"])
def test_only_deterministic_float_arithmetic_is_folded(op: str) -> None:
    attributes: dict[str, Any] = {"shape": [2]} if op == "RandomNormal" else {}
    operands = "" if op == "RandomNormal" else "q s"
    folded = fold(
        node(op, operands, **attributes), constants={"q": np.zeros(2, np.uint8), "s": np.array(1, np.float32)}
    )
    assert [left.op_type for left in folded.nodes] == [op]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"kernel_shape": [1, 1], "strides": [2, 3], "ceil_mode": 1}, (3, 3)),
        ({"kernel_shape": [1, 1], "strides": [2, 3]}, (3, 3)),
        ({"kernel_shape": [2, 2], "strides": [5, 7], "auto_pad": "VALID", "ceil_mode": 1}, (2, 2)),
        ({"kernel_shape": [2, 2], "strides": [4, 3], "auto_pad": "SAME_UPPER", "ceil_mode": 1}, (2, 3)),
        ({"kernel_shape": [2, 2], "strides": [5, 5], "pads": [1, 1, 1, 1], "ceil_mode": 1}, (2, 2)),
        ({"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "ceil_mode": 1}, (6, 8)),
    ],
)
def test_no_window_of_a_pool_starts_behind_the_image(attributes: dict[str, Any], expected: tuple[int, int]) -> None:
    assert fold(node("MaxPool", "x", **attributes)).types["y"].shape == (1, 4, *expected)


def test_an_unknown_operator_and_its_readers_have_no_type() -> None:
    folded = fold(node("Mystery", "x", "m"), node("Relu", "m"))
    assert [left.op_type for left in folded.nodes] == ["Mystery", "Relu"]
    assert not folded.types.keys() & {"m", "y"}


def test_operands_that_do_not_fit_name_the_node() -> None:
    with pytest.raises(InvalidModel, match=r"'wrong' \(Reshape\) does not fit its operands \('x' \[1, 4, 6, 8\]"):
        fold(node("Reshape", "x s", name="wrong"), constants={"s": np.array([5, -1])})


def test_an_index_out_of_range_names_the_node() -> None:
    with pytest.raises(InvalidModel, match="'wrong'"):
        fold(node("Gather", "c i", name="wrong"), constants={"c": np.arange(3), "i": np.array(7)})


def test_a_tensor_that_nothing_produces() -> None:
    with pytest.raises(InvalidModel, match="reads tensor 'nowhere'"):
        fold(node("Add", "x nowhere"))


def test_an_empty_tensor_is_not_sliced() -> None:
    constants = {"empty": np.zeros((0, 2), np.float32), "b": np.array([0]), "e": np.array([1])}
    with pytest.raises(InvalidModel, match="dimension of size 0"):
        fold(node("Slice", "empty b e"), constants=constants)
