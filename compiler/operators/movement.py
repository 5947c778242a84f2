"""Operators that only move data: reshapes, transposes, slices, concatenation, padding."""

from __future__ import annotations

from itertools import accumulate

from separable.compiler._tvm import relax
from separable.compiler.operators.node import Converter, Node, Refused

op = relax.op


def _reshape(node: Node) -> relax.Expr:
    """Constant shape or axes."""
    # ONNX shape inference has worked out -1, 0 and allowzero; Flatten, Squeeze and Unsqueeze are reshapes too.
    return op.reshape(node.operand(0), list(node.output_shapes[0]))


def _transpose(node: Node) -> relax.Expr:
    axes = node.attributes.get("perm", list(reversed(range(len(node.shape())))))
    return op.permute_dims(node.operand(0), axes)


def _concat(node: Node) -> relax.Expr:
    return op.concat(list(node.operands), axis=node.attributes["axis"] % len(node.shape()))


def _slice(node: Node) -> relax.Expr:
    """Constant bounds; positive steps."""
    starts, ends, steps = node.setting("starts", 1), node.setting("ends", 2), node.setting("steps", 4)
    shape, steps = node.shape(), steps or [1] * len(starts)
    axes = [axis % len(shape) for axis in node.setting("axes", 3) or range(len(starts))]
    if any(step < 1 for step in steps):
        raise Refused("only slices with positive steps are supported")
    # slice.indices clamps like ONNX does, so that what is left lies within the tensor.
    columns = zip(axes, starts, ends, steps, strict=True)
    bounds = [slice(start, end, step).indices(shape[axis]) for axis, start, end, step in columns]
    starts, ends, steps = (list(column) for column in zip(*bounds, strict=True))
    return op.strided_slice(node.operand(0), axes, starts, ends, steps)


def _split(node: Node) -> list[relax.Expr]:
    """Constant sizes."""
    axis = node.attributes.get("axis", 0) % len(node.shape())
    ends = list(accumulate(shape[axis] for shape in node.output_shapes))
    return [op.strided_slice(node.operand(0), [axis], [a], [b], [1]) for a, b in zip([0, *ends], ends, strict=False)]


def _pad(node: Node) -> relax.Expr:
    """Constant widths, not negative; mode `constant`."""
    mode = node.attributes.get("mode", "constant")
    if mode != "constant":
        raise Refused(f"padding mode '{mode}' is not supported, only 'constant'")
    rank, pads = len(node.shape()), node.setting("pads", 1)
    axes = [axis % rank for axis in node.setting("axes", 3) or range(rank)]
    if min(pads, default=0) < 0:
        raise Refused("negative padding is not supported; slice the input instead")
    width = [0] * (2 * rank)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        width[2 * axis : 2 * axis + 2] = before, after
    return op.nn.pad(node.operand(0), width, pad_value=node.scalar("value", 2) or 0.0)


def _depth_to_space(node: Node) -> relax.Expr:
    n, c, h, w = node.shape()
    block = node.attributes["blocksize"]
    if node.attributes.get("mode", "DCR") == "DCR":
        split, axes = [n, block, block, c // block**2, h, w], [0, 3, 4, 1, 5, 2]
    else:
        split, axes = [n, c // block**2, block, block, h, w], [0, 1, 4, 2, 5, 3]
    return op.reshape(op.permute_dims(op.reshape(node.operand(0), split), axes), list(node.output_shapes[0]))


def _space_to_depth(node: Node) -> relax.Expr:
    n, c, h, w = node.shape()
    block = node.attributes["blocksize"]
    split = op.reshape(node.operand(0), [n, c, h // block, block, w // block, block])
    axes = [0, 3, 5, 1, 2, 4] if node.attributes.get("mode", "DCR") == "DCR" else [0, 1, 3, 5, 2, 4]
    return op.reshape(op.permute_dims(split, axes), list(node.output_shapes[0]))


CONVERTERS: dict[str, Converter] = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Flatten": _reshape,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
