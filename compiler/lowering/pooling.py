"""Pools, softmax and local response normalisation."""

from __future__ import annotations

import math

from separable.compiler._tvm import relax
from separable.compiler.exprs import is_op, shape_of
from separable.compiler.lowering.convolution import pair
from separable.compiler.lowering.state import Lowering
from separable.compiler.program import Value
from separable.schedules.tensor import Plain
from separable.schedules.workload import GlobalPool, Lrn, Pool, Softmax, Window

# The kernel's code has an addition for every channel of the window.
_LARGEST_LRN = 32


def lower_pool(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Maximum or average over a window."""
    attrs = call.attrs
    image = low.image(call.args[0])
    if image is None:
        return None
    kind = "max" if is_op(call, "nn.max_pool2d") else "avg"
    pads = [int(pad) for pad in attrs.padding]
    window = Window(pair(attrs.pool_size), pair(attrs.strides), pair(attrs.dilation), (pads[0], pads[1]))
    images, channels, height, width = shape_of(var)
    y = low.image_of(channels, height, width, images=images)
    return low.emit(var, Pool(kind, image[1], y, window, bool(attrs.count_include_pad)), [image[0]])


def lower_global_pool(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """``mean`` or ``max`` over both axes of an image."""
    axes = [int(axis) for axis in call.attrs.axis] if call.attrs.axis is not None else []
    if axes != [2, 3] or len(shape_of(call.args[0])) != 4 or (image := low.image(call.args[0])) is None:
        return None
    x, layout = image
    kind = "max" if is_op(call, "max") else "avg"
    y = low.image_of(layout.channels, 1, 1, images=layout.images)
    return low.emit(var, GlobalPool(kind, layout, y), [x])


def lower_softmax(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Softmax over the last axis."""
    shape = shape_of(var)
    if int(call.attrs.axis) % len(shape) != len(shape) - 1:
        return None
    rows = Plain((math.prod(shape[:-1]), shape[-1]))
    y = low.emit(var, Softmax(rows, rows), [low.plain(call.args[0], rows.shape)])
    return y if rows.shape == shape else Value(var.name, Plain(shape), view_of=y)


def lower_lrn(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Local response normalisation of one image."""
    shape = shape_of(var)
    if len(shape) != 4 or shape[0] != 1 or call.attrs["size"] > _LARGEST_LRN:
        return None
    if (image := low.image(call.args[0])) is None:
        return None
    x, layout = image
    y = low.image_of(layout.channels, layout.height, layout.width)
    settings = (call.attrs[name] for name in ("size", "alpha", "beta", "bias"))
    return low.emit(var, Lrn(layout, y, *settings), [x])
