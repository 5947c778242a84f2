"""An ONNX graph of static shapes as a torch module that ``torch.export`` can trace: every shape is a Python number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

Attributes = dict[str, Any]


class OnnxModule(nn.Module):
    """Computes the outputs of the graph, in their order, from its inputs in theirs.

    Attributes:
        input_shapes: of the inputs, in order.

    Raises:
        NotImplementedError: a node's operator or mode is not known here; the message names it.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        graph = model.graph
        constants = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in constants]
        self.input_shapes = [[size.dim_value for size in value.type.tensor_type.shape.dim] for value in inputs]
        self._inputs = [value.name for value in inputs]
        self._outputs = [value.name for value in graph.output]
        self._nodes = [_Node(node) for node in graph.node]
        settings = {name for node in self._nodes for name in node.settings}
        self._settings = {"": None, **{name: constants[name].tolist() for name in settings & constants.keys()}}
        # Names of buffers must not have dots in them.
        self._weights = {name: f"weight_{index}" for index, name in enumerate(constants.keys() - settings)}
        for name, buffer in self._weights.items():
            self.register_buffer(buffer, torch.from_numpy(constants[name]))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs as a tuple."""
        values: dict[str, Any] = {**self._settings, **dict(zip(self._inputs, inputs, strict=True))}
        values |= {name: self.get_buffer(buffer) for name, buffer in self._weights.items()}
        for node in self._nodes:
            values[node.output] = node(*(values[name] for name in node.inputs))
        return tuple(values[name] for name in self._outputs)


class _Node:
    """One node, called with its operands; a left-out one is None, and settings are Python numbers."""

    def __init__(self, node: onnx.NodeProto) -> None:
        if node.op_type not in _OPERATORS:
            raise NotImplementedError(f"node {node.name}: operator {node.op_type} is not translated to torch")
        self._compute = _OPERATORS[node.op_type]
        self._attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        self.inputs = list(node.input)
        self.output = node.output[0]
        self.settings = [name for name in node.input[1:] if name] if node.op_type in _WITH_SETTINGS else []

    def __call__(self, *operands: Any) -> Tensor:
        return self._compute(self._attributes, *operands)


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0] * 4)
    padding = (top, left)
    if (top, left) != (bottom, right):
        x, padding = functional.pad(x, (left, right, top, bottom)), (0, 0)
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    return functional.conv2d(x, weight, bias, strides, padding, dilations, attributes.get("group", 1))


def _pool(attributes: Attributes, x: Tensor, pool: Callable[..., Tensor], **options: Any) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0] * 4)
    if (top, left) != (bottom, right) or attributes.get("ceil_mode") or "dilations" in attributes:
        raise NotImplementedError(
            "pools are translated to torch with symmetric padding, without dilation and ceil_mode only"
        )
    strides = attributes.get("strides", [1, 1])
    return pool(x, attributes["kernel_shape"], strides, (top, left), **options)


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    counted = bool(attributes.get("count_include_pad"))
    return _pool(attributes, x, functional.avg_pool2d, count_include_pad=counted)


def _batch_norm(
    attributes: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return functional.batch_norm(x, mean, variance, scale, shift, eps=attributes.get("epsilon", 1e-5))


def _clip(attributes: Attributes, x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    return torch.clamp(x, attributes.get("min", low), attributes.get("max", high))


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    if attributes.get("transA") or attributes.get("alpha", 1) != 1 or attributes.get("beta", 1) != 1:
        raise NotImplementedError("Gemm is translated to torch without transA, alpha and beta only")
    return functional.linear(a, b if attributes.get("transB") else b.T, c)


def _reshape(attributes: Attributes, x: Tensor, shape: list[int]) -> Tensor:
    return x.reshape([x.shape[index] if size == 0 else size for index, size in enumerate(shape)])


def _slice(
    attributes: Attributes,
    x: Tensor,
    starts: list[int],
    ends: list[int],
    axes: list[int] | None = None,
    steps: list[int] | None = None,
) -> Tensor:
    cuts = [slice(None)] * x.ndim
    for index, axis in enumerate(axes or range(len(starts))):
        cuts[axis] = slice(starts[index], ends[index], steps[index] if steps else 1)
    return x[tuple(cuts)]


def _resize(
    attributes: Attributes,
    x: Tensor,
    roi: list[float] | None = None,
    scales: list[float] | None = None,
    sizes: list[int] | None = None,
) -> Tensor:
    if attributes.get("mode", b"nearest") != b"nearest":
        raise NotImplementedError("Resize is translated to torch for the nearest neighbour only")
    size = sizes or [int(length * scale) for length, scale in zip(x.shape, scales or (), strict=True)]
    return functional.interpolate(x, size[2:])


# Operators whose operands after the first are numbers, not data.
_WITH_SETTINGS = ("Clip", "Reshape", "Resize", "Slice", "Squeeze")

_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Conv": _conv,
    "BatchNormalization": _batch_norm,
    "Relu": lambda attributes, x: functional.relu(x),
    "Clip": _clip,
    "Sigmoid": lambda attributes, x: torch.sigmoid(x),
    "Exp": lambda attributes, x: torch.exp(x),
    "Add": lambda attributes, x, y: x + y,
    "Sub": lambda attributes, x, y: x - y,
    "Mul": lambda attributes, x, y: x * y,
    "Div": lambda attributes, x, y: x / y,
    "Gemm": _gemm,
    "AveragePool": _average_pool,
    "MaxPool": lambda attributes, x: _pool(attributes, x, functional.max_pool2d),
    "GlobalAveragePool": lambda attributes, x: x.mean(dim=(2, 3), keepdim=True),
    "Softmax": lambda attributes, x: torch.softmax(x, attributes.get("axis", -1)),
    "Concat": lambda attributes, *xs: torch.cat(xs, attributes["axis"]),
    "Flatten": lambda attributes, x: x.flatten(attributes.get("axis", 1)),
    "Reshape": _reshape,
    "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
    "Squeeze": lambda attributes, x, axes: x.squeeze(axes),
    "Slice": _slice,
    "Resize": _resize,
}
