from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from separable.benchmarks.reference import reference_outputs, write_static


def dynamic_model(path: Path) -> None:
    """y = x reshaped to the shape of x, of a symbolic batch, opset 9, its weight listed as an input as well."""
    weight = numpy_helper.from_array(np.ones((3, 2, 1, 1), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Reshape", ["c", "s"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 2, 2])
    w = helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2, 1, 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 2, 2])
    graph = helper.make_graph(nodes, "net", [x, w], [y], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4), path)


def test_static_model_computes_no_shapes(tmp_path: Path) -> None:
    dynamic_model(tmp_path / "net.onnx")
    write_static(tmp_path / "net.onnx", {"x": (1, 2, 2, 2)}, tmp_path / "static.onnx")
    static = onnx.load(tmp_path / "static.onnx")
    assert "Shape" not in [node.op_type for node in static.graph.node]
    assert [value.name for value in static.graph.input] == ["x"]
    assert [dim.dim_value for dim in static.graph.input[0].type.tensor_type.shape.dim] == [1, 2, 2, 2]
    assert [(entry.domain, entry.version) for entry in static.opset_import] == [("", 13)]


def test_static_model_computes_the_same(tmp_path: Path) -> None:
    dynamic_model(tmp_path / "net.onnx")
    write_static(tmp_path / "net.onnx", {"x": (1, 2, 2, 2)}, tmp_path / "static.onnx")
    inputs = {"x": np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)}
    expected = reference_outputs(tmp_path / "net.onnx", inputs)["y"]
    assert expected.tolist() == np.repeat(inputs["x"].sum(axis=1, keepdims=True), 3, axis=1).tolist()
    assert reference_outputs(tmp_path / "static.onnx", inputs)["y"].tolist() == expected.tolist()
