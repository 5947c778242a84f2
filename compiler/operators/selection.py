"""Choosing elements: by index, the largest, and boxes that do not overlap."""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import const, constant, dtype_of
from separable.compiler.operators.node import Converter, Node, Refused
from separable.compiler.own_ops import suppress, top_k

op = relax.op


def _gather(node: Node) -> relax.Expr:
    shape = node.shape()
    axis = node.attributes.get("axis", 0) % len(shape)
    indices = constant(node.operands[1])
    if indices is not None and ((indices < -shape[axis]) | (indices >= shape[axis])).any():
        raise Refused(f"an index lies beyond the {shape[axis]} elements of axis {axis}")
    operand = node.operand(1)
    if indices is not None:  # TVM takes from tensors of a dimension at least
        operand = const(indices.reshape(-1))
    # Modulo the size: right for indices that count from the end, and nothing outside of the tensor is ever read.
    picked = op.take(node.operand(0), operand, axis=axis, mode="wrap")
    return picked if indices is None else op.reshape(picked, list(node.output_shapes[0]))


def _top_k(node: Node) -> list[relax.Expr]:
    """Of float32; constant k."""
    x, shape = node.operand(0), node.shape()
    if dtype_of(x) != "float32":
        raise Refused(f"it compares {dtype_of(x)}; only float32 is supported")
    count = int(np.reshape(node.setting("k", 1), ()))
    last = len(shape) - 1
    axis = node.attributes.get("axis", -1) % len(shape)
    if not 1 <= count <= shape[axis]:
        raise Refused(f"k is {count}, but axis {axis} has {shape[axis]} elements")
    # Its own inverse.
    swap = [axis if i == last else last if i == axis else i for i in range(len(shape))]
    rows = x if axis == last else op.permute_dims(x, swap)
    indices: relax.Expr = top_k(rows, count, bool(node.attributes.get("largest", 1)))
    values = op.gather_elements(rows, indices, last)
    if axis == last:
        return [values, indices]
    return [op.permute_dims(values, swap), op.permute_dims(indices, swap)]


def _suppress(node: Node) -> relax.Expr:
    """Where the scores of the selected boxes are scattered into zeros."""
    # Only the three nodes that fuse_suppression makes one get here.
    limit, overlap, threshold = node.scalar("limit", 2), node.scalar("overlap", 3), node.scalar("threshold", 4)
    (pictures, count, _), scores = node.shape(0), node.shape(1)
    if (scores[0], scores[2]) != (pictures, count):
        raise Refused(f"boxes {list(node.shape(0))} do not fit scores {list(scores)}")
    centred = bool(node.attributes.get("center_point_box", 0))
    return suppress(node.operand(0), node.operand(1), max(0, int(limit or 0)), overlap or 0.0, threshold, centred)


CONVERTERS: dict[str, Converter] = {
    "Gather": _gather,
    "NonMaxSuppression": _suppress,
    "TopK": _top_k,
}
