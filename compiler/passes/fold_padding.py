"""``conv(pad(x, p), w, q) => conv(x, w, p + q)`` for zeros around height and width."""

from __future__ import annotations

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import is_op
from separable.compiler.graph import Graph, rewrite


def fold_padding(mod: tvm.IRModule) -> tvm.IRModule:
    """Let convolutions pad for themselves, so that no padded copy of their input is made."""
    return rewrite(mod, _rule)


def _rule(value: relax.Expr, graph: Graph) -> relax.Expr:
    pad = graph.definition(value.args[0]) if is_op(value, "nn.conv2d") else None
    if not is_op(pad, "nn.pad") or pad.attrs.pad_mode != "constant" or pad.attrs.pad_value != 0:
        return value
    *outer, top, bottom, left, right = (int(width) for width in pad.attrs.pad_width)
    if any(outer):
        return value
    old, attrs = value.attrs, value.attrs
    padding = [int(a) + b for a, b in zip(old.padding, (top, left, bottom, right), strict=True)]
    return relax.op.nn.conv2d(pad.args[0], value.args[1], attrs.strides, padding, attrs.dilation, attrs.groups)
