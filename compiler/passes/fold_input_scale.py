"""``conv(x·s + t, w) => conv(x, w·s) + sum(w·t)``: what scales a convolution's input moves into its weights.

A shift moves only where nothing is padded, for padding is zero after the shift, not before it.
"""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import Array, const, constant, is_op, per_channel, shape_of
from separable.compiler.graph import Graph, rewrite


def fold_input_scale(mod: tvm.IRModule) -> tvm.IRModule:
    """Fold constant scales and shifts, per tensor or per channel, into the convolutions that read them."""
    return rewrite(mod, _rule)


def _rule(value: relax.Expr, graph: Graph) -> relax.Expr:
    weights = constant(value.args[1]) if is_op(value, "nn.conv2d") else None
    if weights is None:
        return value
    data, channels = value.args[0], shape_of(value.args[0])[1]
    shift, scale = np.zeros(channels), np.ones(channels)
    if not any(value.attrs.padding) and (found := _operand_of(data, "add", graph)):
        data, shift = found
    if found := _operand_of(data, "multiply", graph):
        data, scale = found
    if data.same_as(value.args[0]):
        return value
    double = weights.astype(np.float64)
    scaled = double * _per_weight(scale, double, value.attrs.groups)
    conv = relax.Call(value.op, [data, const(scaled.astype(np.float32))], value.attrs)
    if not shift.any():
        return conv
    bias = (double * _per_weight(shift, double, value.attrs.groups)).sum(axis=(1, 2, 3))
    return relax.op.add(conv, const(bias.astype(np.float32).reshape(1, -1, 1, 1)))


def _operand_of(expr: relax.Expr, name: str, graph: Graph) -> tuple[relax.Expr, Array] | None:
    """For ``expr = op(x, c)`` with a constant that is the same for every pixel: ``x``, and ``c`` as (C,) float64."""
    value = graph.definition(expr)
    if not is_op(value, name) or shape_of(value.args[0]) != shape_of(expr):
        return None
    factor = per_channel(value.args[1], shape_of(expr))
    return None if factor is None else (value.args[0], factor)


def _per_weight(channels: Array, weights: Array, groups: int) -> Array:
    """Input channel values (C,) laid out for OIHW weights: every group of outputs sees its own inputs."""
    by_group = np.repeat(channels.reshape(groups, -1), weights.shape[0] // groups, axis=0)
    return by_group[:, :, None, None]
