"""``bn(conv(x, w) + b) => conv(x, w·s) + (b - m)·s + beta`` with ``s = gamma / sqrt(var + epsilon)``.

The same for ``matmul``; a batch normalisation of anything else becomes ``x·s + t``.
"""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import Array, const, constant, is_op, per_channel, shape_of
from separable.compiler.graph import Graph, rewrite

op = relax.op


def fold_batch_norm(mod: tvm.IRModule) -> tvm.IRModule:
    """Remove every batch normalisation; all are in inference mode with constant statistics, on axis 1."""
    return rewrite(mod, _rule)


def _rule(value: relax.Expr, graph: Graph) -> relax.Expr:
    norm = graph.definition(value.tuple_value) if isinstance(value, relax.TupleGetItem) else None
    if not is_op(norm, "nn.batch_norm"):
        return value
    data = norm.args[0]
    scale, shift = _scale_and_shift(norm)
    rank = len(shape_of(data))
    folded = _fold_into_weights(data, scale, shift, graph)
    if folded is None:
        return op.add(op.multiply(data, _per_channel(scale, rank)), _per_channel(shift, rank))
    linear, shift = folded
    return op.add(linear, _per_channel(shift, rank))


def _scale_and_shift(norm: relax.Call) -> tuple[Array, Array]:
    gamma, beta, mean, variance = (_double(arg) for arg in norm.args[1:])
    scale = gamma / np.sqrt(variance + norm.attrs.epsilon)
    return scale, beta - mean * scale


def _fold_into_weights(data: relax.Expr, scale: Array, shift: Array, graph: Graph) -> tuple[relax.Expr, Array] | None:
    """Scale the weights of the operation behind ``data``; returns it and the bias that is left to add."""
    linear, value = data, graph.definition(data)
    if is_op(value, "add") and (bias := per_channel(value.args[1], shape_of(data))) is not None:
        if graph.reads[data.name] > 1:
            return None
        linear, value = value.args[0], graph.definition(value.args[0])
        shift = shift + bias * scale
    if not is_op(value, "nn.conv2d", "matmul") or graph.reads[linear.name] > 1:
        return None
    weights = _double(value.args[1])
    # Output channels: first axis of conv weights (OIHW), last axis of matmul weights (KN).
    if is_op(value, "matmul") and len(shape_of(linear)) != 2:
        return None
    scaled = weights * (scale.reshape(-1, 1, 1, 1) if is_op(value, "nn.conv2d") else scale)
    graph.rebind(linear, relax.Call(value.op, [value.args[0], _single(scaled)], value.attrs))
    return linear, shift


def _double(expr: relax.Expr) -> Array:
    array = constant(expr)
    assert array is not None, "the importer refuses weights and statistics that are not constant"
    return array.astype(np.float64)


def _single(array: Array) -> relax.Expr:
    return const(array.astype(np.float32))


def _per_channel(array: Array, rank: int) -> relax.Expr:
    return _single(array.reshape((1, -1) + (1,) * (rank - 2)))
