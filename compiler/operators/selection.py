"""Choosing elements: by index, the largest, boxes that do not overlap, and what lies in boxes."""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import const, constant, dtype_of, scalar
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


def _roi_align(node: Node) -> relax.Expr:
    """Averages of a stated number of samples; constant pictures."""
    get = node.attributes.get
    samples, size = get("sampling_ratio", 0), (get("output_height", 1), get("output_width", 1))
    shifted = get("coordinate_transformation_mode", "half_pixel" if node.opset >= 16 else "output_half_pixel")
    if get("mode", "avg") != "avg":
        raise Refused(f"mode '{get('mode')}' is not supported, only 'avg'")
    if samples < 1:
        raise Refused("sampling_ratio 0, as many samples as a region has pixels, is not supported; state a number")
    pictures = node.constant(2, "the pictures of the regions")
    if ((pictures < 0) | (pictures >= node.shape()[0])).any():
        raise Refused(f"a region lies in a picture beyond the {node.shape()[0]} that there are")
    scale, aligned = get("spatial_scale", 1.0), shifted == "half_pixel"
    boxes = node.operand(1)
    if aligned:  # TVM's "aligned" means that small regions keep their size; the shift by half a pixel comes on top
        boxes = op.subtract(boxes, scalar(0.5 / scale))
    regions = op.concat([const(pictures.astype(np.float32)[:, None]), boxes], axis=1)
    return op.vision.roi_align(node.operand(0), regions, size, scale, samples, aligned)


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
    "RoiAlign": _roi_align,
    "TopK": _top_k,
}
