"""How the modules and functions of torch that the zoo uses are written in ONNX."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn

from separable.zoo.onnx_graph import OnnxGraph

ModuleWriter: TypeAlias = Callable[[OnnxGraph, str, Any, str], str]
"""Graph, name of the node, module, name of its input; returns the name of the result."""

FunctionWriter: TypeAlias = Callable[..., str]
"""Graph, name of the node, then the function's own arguments with names of tensors for tensors."""


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return list(value) if isinstance(value, tuple) else [value, value]


def convolution(graph: OnnxGraph, name: str, conv: nn.Conv2d, x: str, pads: list[int] | None = None) -> str:
    """A convolution, padded as ``conv`` says or by ``pads``: top, left, bottom, right."""
    assert not isinstance(conv.padding, str)
    inputs = [x, graph.constant(f"{name}.weight", conv.weight)]
    if conv.bias is not None:
        inputs.append(graph.constant(f"{name}.bias", conv.bias))
    attributes: dict[str, Any] = {"dilations": list(conv.dilation)} if max(conv.dilation) > 1 else {}
    return graph.add(
        "Conv",
        name,
        inputs,
        kernel_shape=list(conv.kernel_size),
        strides=list(conv.stride),
        pads=pads or list(conv.padding) * 2,
        group=conv.groups,
        **attributes,
    )


def max_pool(graph: OnnxGraph, name: str, pool: nn.MaxPool2d, x: str, pads: list[int] | None = None) -> str:
    """A maximum over windows, padded as ``pool`` says or by ``pads``: top, left, bottom, right."""
    return graph.add(
        "MaxPool",
        name,
        [x],
        kernel_shape=_pair(pool.kernel_size),
        strides=_pair(pool.stride),
        pads=pads or _pair(pool.padding) * 2,
        ceil_mode=int(pool.ceil_mode),
    )


def _average_pool(graph: OnnxGraph, name: str, pool: nn.AvgPool2d, x: str) -> str:
    return graph.add(
        "AveragePool",
        name,
        [x],
        kernel_shape=_pair(pool.kernel_size),
        strides=_pair(pool.stride),
        pads=_pair(pool.padding) * 2,
        count_include_pad=int(pool.count_include_pad),
    )


def _global_average_pool(graph: OnnxGraph, name: str, pool: nn.AdaptiveAvgPool2d, x: str) -> str:
    assert pool.output_size == 1, "only pooling to one pixel has a node in ONNX"
    return graph.add("GlobalAveragePool", name, [x])


def _batch_norm(graph: OnnxGraph, name: str, bn: nn.BatchNorm2d, x: str) -> str:
    assert bn.running_mean is not None
    assert bn.running_var is not None
    parameters = {"scale": bn.weight, "shift": bn.bias, "mean": bn.running_mean, "variance": bn.running_var}
    names = [graph.constant(f"{name}.{parameter}", value) for parameter, value in parameters.items()]
    return graph.add("BatchNormalization", name, [x, *names], epsilon=bn.eps)


def _relu6(graph: OnnxGraph, name: str, module: nn.ReLU6, x: str) -> str:
    bounds = [graph.constant(f"{name}.{bound}", value) for bound, value in (("min", 0.0), ("max", 6.0))]
    return graph.add("Clip", name, [x, *bounds])


def _linear(graph: OnnxGraph, name: str, linear: nn.Linear, x: str) -> str:
    parameters = {"weight": linear.weight, "bias": linear.bias}
    names = [graph.constant(f"{name}.{parameter}", value) for parameter, value in parameters.items()]
    return graph.add("Gemm", name, [x, *names], transB=1)


def _local_response_norm(graph: OnnxGraph, name: str, norm: nn.LocalResponseNorm, x: str) -> str:
    return graph.add("LRN", name, [x], size=norm.size, alpha=norm.alpha, beta=norm.beta, bias=norm.k)


def _dropout(graph: OnnxGraph, name: str, dropout: nn.Dropout, x: str) -> str:
    return graph.add("Dropout", name, [x, graph.constant(f"{name}.ratio", float(dropout.p))])


def _softmax(graph: OnnxGraph, name: str, softmax: nn.Softmax, x: str) -> str:
    return graph.add("Softmax", name, [x], axis=softmax.dim)


def _plain(node: str) -> ModuleWriter:
    return lambda graph, name, module, x: graph.add(node, name, [x])


MODULES: dict[type[nn.Module], ModuleWriter] = {
    nn.AdaptiveAvgPool2d: _global_average_pool,
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: convolution,
    nn.Dropout: _dropout,
    nn.Flatten: _plain("Flatten"),
    nn.Identity: lambda graph, name, module, x: x,
    nn.Linear: _linear,
    nn.LocalResponseNorm: _local_response_norm,
    nn.MaxPool2d: max_pool,
    nn.ReLU: _plain("Relu"),
    nn.ReLU6: _relu6,
    nn.Sigmoid: _plain("Sigmoid"),
    nn.Softmax: _softmax,
}


def _concat(graph: OnnxGraph, name: str, tensors: list[str], dim: int = 0) -> str:
    return graph.add("Concat", name, tensors, axis=dim)


def _multiply(graph: OnnxGraph, name: str, a: str, b: str) -> str:
    return graph.add("Mul", name, [a, b])


def _sign(graph: OnnxGraph, name: str, x: str) -> str:
    return graph.add("Sign", name, [x])


def _item(graph: OnnxGraph, name: str, results: tuple[str, ...], index: int) -> str:
    return results[index]


FUNCTIONS: dict[Callable[..., Any], FunctionWriter] = {
    operator.getitem: _item,
    operator.mul: _multiply,
    torch.cat: _concat,
    torch.sign: _sign,
}
