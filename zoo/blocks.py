"""What the networks are built from: convolutions with what follows them, and operators that torch.nn lacks."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

from separable.zoo.architecture import Activation
from separable.zoo.network import Operator
from separable.zoo.onnx_graph import OnnxGraph
from separable.zoo.onnx_modules import convolution, max_pool

Size: TypeAlias = int | tuple[int, int]

# TensorFlow's value for these networks; torch's own default is 1e-5.
_BN_EPSILON = 1e-3


class ConvBlock(nn.Module):
    """A convolution without bias, batch normalisation and the activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: height and width of the filter.
        stride: step of the filter in both directions.
        padding: on both sides of height and width; half of the filter unless given.
        groups: of the convolution.
        activation: what follows batch normalisation.
        same: pad as TensorFlow does: to ``ceil(size / stride)`` outputs, the odd pixel at the end. Leaves ``padding``
            without effect.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size = 1,
        stride: int = 1,
        *,
        padding: Size | None = None,
        groups: int = 1,
        activation: Activation = "relu",
        same: bool = False,
    ) -> None:
        super().__init__()
        if padding is None:
            padding = (kernel[0] // 2, kernel[1] // 2) if isinstance(kernel, tuple) else kernel // 2
        kind = SameConv2d if same else nn.Conv2d
        self.conv = kind(in_channels, out_channels, kernel, stride, 0 if same else padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=_BN_EPSILON)
        self.activation = nn.ReLU() if activation == "relu" else nn.ReLU6()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activation [n, out_channels, out_height, out_width] of the input [n, in_channels, height, width]."""
        y: torch.Tensor = self.activation(self.bn(self.conv(x)))
        return y


class SameConv2d(nn.Conv2d, Operator):
    """A convolution padded as TensorFlow does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The convolution [n, out_channels, ceil(height / stride), ceil(width / stride)]."""
        top, left, bottom, right = _same_pads(x.shape[2:], self.kernel_size, self.stride)
        return functional.conv2d(
            functional.pad(x, (left, right, top, bottom)), self.weight, self.bias, self.stride, groups=self.groups
        )

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Conv with explicit padding."""
        pads = _same_pads(graph.shapes[inputs[0]][2:], self.kernel_size, self.stride)
        return convolution(graph, name, self, inputs[0], pads)


class SameMaxPool2d(nn.MaxPool2d, Operator):
    """A maximum over square windows, padded as TensorFlow does: no padded pixel is a maximum."""

    kernel_size: int
    stride: int

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maxima [n, channels, ceil(height / stride), ceil(width / stride)]."""
        top, left, bottom, right = _same_pads(x.shape[2:], (self.kernel_size,) * 2, (self.stride,) * 2)
        return functional.max_pool2d(
            functional.pad(x, (left, right, top, bottom), value=float("-inf")), self.kernel_size, self.stride
        )

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """MaxPool with explicit padding."""
        pads = _same_pads(graph.shapes[inputs[0]][2:], (self.kernel_size,) * 2, (self.stride,) * 2)
        return max_pool(graph, name, self, inputs[0], pads)


class Normalize(Operator):
    """Vectors along axis 1 divided by their length: x / max(|x|, epsilon)."""

    epsilon = 1e-12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Vectors of length one in the shape of ``x``."""
        return functional.normalize(x, dim=1, eps=self.epsilon)

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """ReduceL2, Max, Div."""
        length = graph.add("ReduceL2", f"{name}_length", inputs, axes=[1], keepdims=1)
        least = graph.constant(f"{name}.epsilon", self.epsilon)
        return graph.add("Div", name, [inputs[0], graph.add("Max", f"{name}_divisor", [length, least])])


class Rearrange(Operator):
    """Data movement of a prediction head: reshape to ``split``, permute by ``order``, reshape to ``shape``.

    Where ``split`` and ``shape`` begin with 1, torch takes several pictures.
    """

    def __init__(self, split: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.split, self.order, self.shape = split, order, shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The elements of ``x`` in ``shape``."""
        split, shape = self.split, self.shape
        if split[0] == shape[0] == 1:
            split, shape = (-1, *split[1:]), (-1, *shape[1:])
        return x.reshape(split).permute(self.order).reshape(shape)

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Reshape, Transpose, Reshape; without those that change nothing."""
        x, shape = inputs[0], graph.shapes[inputs[0]]
        permuted = tuple(self.split[axis] for axis in self.order)
        last = "reshape" if permuted != self.shape else "transpose" if self.order != tuple(sorted(self.order)) else ""
        if shape != self.split:
            target = graph.constant(f"{name}.split", list(self.split))
            x = graph.add("Reshape", f"{name}_split" if last else name, [x, target])
        if self.order != tuple(sorted(self.order)):
            x = graph.add("Transpose", f"{name}_order" if last == "reshape" else name, [x], perm=list(self.order))
        if permuted != self.shape:
            x = graph.add("Reshape", name, [x, graph.constant(f"{name}.shape", list(self.shape))])
        return x


def _same_pads(size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """Top, left, bottom, right."""
    totals = [
        max(0, (-(-length // step) - 1) * step + extent - length)
        for length, extent, step in zip(size, kernel, stride, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]
