"""Builds an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
_IR_VERSION = 8


class OnnxGraph:
    """Nodes and weights under names that tell what they are: a node's first result has the name of the node.

    Attributes:
        shapes: of the tensors that modules read and write, by name.
    """

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, name: str, inputs: Sequence[str], results: int = 1, **attributes: Any) -> str:
        """Add a node. Result 0 is called ``name``, and the others :func:`result` of it.

        Returns:
            The name of result 0.
        """
        names = [result(name, index) for index in range(results)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return name

    def constant(self, name: str, value: torch.Tensor | npt.NDArray[Any] | Sequence[int] | float) -> str:
        """Add a weight; integers become int64, other numbers float32.

        Returns:
            Its name.
        """
        if isinstance(value, torch.Tensor):
            array = value.detach().numpy()
        elif isinstance(value, float):
            array = np.array(value, np.float32)
        else:
            array = np.asarray(value)
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def to_model(self, name: str, inputs: dict[str, Sequence[int]], outputs: dict[str, str]) -> onnx.ModelProto:
        """The checked model.

        Args:
            name: of the graph.
            inputs: shape of each input by name; all are float32.
            outputs: the name of each output by the name of the tensor that it is. All are float32.
        """
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [outputs.get(tensor, tensor) for tensor in names]
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, self.shapes[tensor])
                for tensor, output in outputs.items()
            ],
            list(self._initializers.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="separable",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def result(name: str, index: int) -> str:
    """The name of a node's result: the node's name, or with a number for all but the first."""
    return f"{name}.{index}" if index else name
