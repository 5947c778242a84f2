"""A model that takes no time, and what contenders are given for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from separable.benchmarks.peers.peer import Task


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """y = relu(x), with a file that is no library."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "relu.onnx"
    path.write_bytes(model.SerializeToString())
    library = tmp_path / "relu.so"
    library.write_bytes(b"no library")
    return Task(path, library, {"x": np.array([[-1, 0, 1, 2]], np.float32)}, threads=1)
