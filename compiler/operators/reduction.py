"""Pooling, reductions over axes, softmax, and local response normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import scalar
from separable.compiler.operators.node import Converter, Node, Refused
from separable.compiler.operators.window import padding_of
from separable.compiler.own_ops import lrn

op = relax.op


def _max_pool(node: Node) -> relax.Expr:
    """2-D; the values, not their indices."""
    if len(node.output_shapes) > 1:
        raise Refused("the indices of the maxima are used; only their values are supported")
    return op.nn.max_pool2d(node.operand(0), **_window(node), dilation=node.attributes.get("dilations", [1, 1]))


def _average_pool(node: Node) -> relax.Expr:
    """2-D; no dilation; `ceil_mode` only without `count_include_pad`."""
    if any(step != 1 for step in node.attributes.get("dilations", [])):
        raise Refused("dilated average pooling is not supported")
    padded = bool(node.attributes.get("count_include_pad", 0))
    if padded and node.attributes.get("ceil_mode", 0):
        raise Refused("ceil_mode together with count_include_pad is not supported")
    window = _window(node)
    if not padded and any(pad >= size for pad, size in zip(window["padding"], window["pool_size"] * 2, strict=True)):
        raise Refused("a window that lies in the padding has no average: pad by less than the window's size")
    return op.nn.avg_pool2d(node.operand(0), **window, count_include_pad=padded)


def _window(node: Node) -> dict[str, list[int]]:
    node.require_rank(4, "pools")
    kernel = node.attributes["kernel_shape"]
    strides = node.attributes.get("strides", [1, 1])
    return {"pool_size": kernel, "strides": strides, "padding": padding_of(node, kernel)}


def _global(function: Callable[..., relax.Expr]) -> Converter:
    return lambda node: function(node.operand(0), axis=list(range(2, len(node.shape()))), keepdims=True)


def _reduce(function: Callable[..., relax.Expr]) -> Converter:
    def convert(node: Node) -> relax.Expr:
        """Constant axes."""
        rank = len(node.shape())
        axes = node.setting("axes", 1)
        if not axes and node.attributes.get("noop_with_empty_axes", 0):
            return node.operand(0)
        axes = sorted(axis % rank for axis in axes or range(rank))
        return function(node.operand(0), axis=axes, keepdims=bool(node.attributes.get("keepdims", 1)))

    return convert


def _reduce_by_parts(function: Callable[[relax.Expr, list[int], bool], relax.Expr]) -> Converter:
    """A reduction that does more to each element than to reduce it."""

    def convert(node: Node) -> relax.Expr:
        """Constant axes."""
        rank = len(node.shape())
        axes = node.setting("axes", 1)
        if not axes and node.attributes.get("noop_with_empty_axes", 0):
            raise Refused("it reduces no axis (noop_with_empty_axes); state the axes")
        axes = sorted(axis % rank for axis in axes or range(rank))
        return function(node.operand(0), axes, bool(node.attributes.get("keepdims", 1)))

    return convert


def _sum_of_squares(x: relax.Expr, axes: list[int], keepdims: bool) -> relax.Expr:
    return op.sum(op.multiply(x, x), axes, keepdims)


def _log_sum_exp(x: relax.Expr, axes: list[int], keepdims: bool) -> relax.Expr:
    # log(sum(exp(x))) = m + log(sum(exp(x - m))) with the maximum m: exp never overflows. m is finite, as x - m must be
    # a number.
    peak = op.minimum(op.max(x, axes, True), scalar(float(np.finfo(np.float32).max)))
    total = op.log(op.sum(op.exp(op.subtract(x, peak)), axes, keepdims))
    return op.add(peak if keepdims else op.squeeze(peak, axes), total)


def _lrn(node: Node) -> relax.Expr:
    if len(node.shape()) < 2:
        raise Refused("it normalises across channels, and its input has none")
    get, size = node.attributes.get, node.attributes["size"]
    if size < 1:
        raise Refused(f"its size is {size}, but a window has one channel at least")
    alpha, all_channels = get("alpha", 1e-4), 2 * node.shape()[1] - 1
    if size > all_channels:  # a wider window has the same sum; what alpha is divided by stays
        alpha, size = alpha * all_channels / size, all_channels
    return lrn(node.operand(0), size, alpha, get("beta", 0.75), get("bias", 1.0))


def _softmax(node: Node) -> relax.Expr:
    x, shape = node.operand(0), node.shape()
    axis = node.attributes.get("axis", -1 if node.opset >= 13 else 1) % len(shape)
    if node.opset >= 13 or axis == len(shape) - 1:
        return op.nn.softmax(x, axis=axis)
    # Before operator set 13 all axes from this one on are one.
    flat = op.reshape(x, [math.prod(shape[:axis]), math.prod(shape[axis:])])
    return op.reshape(op.nn.softmax(flat, axis=1), list(shape))


CONVERTERS: dict[str, Converter] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global(op.mean),
    "GlobalMaxPool": _global(op.max),
    "LRN": _lrn,
    "MaxPool": _max_pool,
    "ReduceL1": _reduce_by_parts(lambda x, axes, keepdims: op.sum(op.abs(x), axes, keepdims)),
    "ReduceL2": _reduce_by_parts(lambda x, axes, keepdims: op.sqrt(_sum_of_squares(x, axes, keepdims))),
    "ReduceLogSum": _reduce_by_parts(lambda x, axes, keepdims: op.log(op.sum(x, axes, keepdims))),
    "ReduceLogSumExp": _reduce_by_parts(_log_sum_exp),
    "ReduceMax": _reduce(op.max),
    "ReduceMean": _reduce(op.mean),
    "ReduceMin": _reduce(op.min),
    "ReduceProd": _reduce(op.prod),
    "ReduceSum": _reduce(op.sum),
    "ReduceSumSquare": _reduce_by_parts(_sum_of_squares),
    "Softmax": _softmax,
}
