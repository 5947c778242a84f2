"""Runs an operator in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch

from separable.zoo.network import Operator
from separable.zoo.onnx_graph import OnnxGraph


def both(operator: Operator, *inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What ONNX Runtime computes from the operator's nodes, and what torch does; inputs and the result are float32."""
    graph = OnnxGraph()
    names = [f"x{number}" for number in range(len(inputs))]
    graph.shapes.update((name, array.shape) for name, array in zip(names, inputs, strict=True))
    result = operator.write(graph, "op", *names)
    assert isinstance(result, str)
    expected = operator(*(torch.from_numpy(array) for array in inputs)).detach().numpy()
    graph.shapes[result] = expected.shape
    model = graph.to_model("op", {name: graph.shapes[name] for name in names}, {result: "result"})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["result"], dict(zip(names, inputs, strict=True)))[0], expected
