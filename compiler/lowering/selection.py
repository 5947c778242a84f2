"""Operators that choose elements, boxes, or what lies in them."""

from __future__ import annotations

from separable.compiler._tvm import relax
from separable.compiler.exprs import shape_of
from separable.compiler.lowering.state import Lowering
from separable.compiler.program import Value
from separable.schedules.roi_align import LARGEST_GRID
from separable.schedules.tensor import Plain
from separable.schedules.workload import RoiAlign, Suppress, TopK


def lower_top_k(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Indices of the largest or smallest elements of rows."""
    x = Plain(shape_of(call.args[0]))
    w = TopK(x, Plain(shape_of(var), "int64"), bool(call.attrs["largest"]))
    return low.emit(var, w, [low.plain(call.args[0])])


def lower_roi_align(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Means of few samples in regions of images."""
    attrs, regions = call.attrs, Plain(shape_of(call.args[1]))
    samples = int(attrs.sample_ratio)
    if attrs.mode != "avg" or not 1 <= samples <= LARGEST_GRID or call.args[1] not in low.values:
        return None
    if (image := low.image(call.args[0])) is None:
        return None
    x, layout = image
    count, channels, height, width = shape_of(var)
    y = low.image_of(channels, height, width, images=count)
    w = RoiAlign((layout, regions), y, float(attrs.spatial_scale), samples, bool(attrs.aligned))
    return low.emit(var, w, [x, low.plain(call.args[1])])


def lower_suppress(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Non-maximum suppression."""
    attrs = call.attrs
    boxes, scores = (Plain(shape_of(operand)) for operand in call.args)
    threshold = float(attrs["threshold"]) if attrs["filtered"] else None
    w = Suppress(
        (boxes, scores), scores, int(attrs["limit"]), float(attrs["overlap"]), threshold, bool(attrs["centred"])
    )
    return low.emit(var, w, [low.plain(operand) for operand in call.args])
