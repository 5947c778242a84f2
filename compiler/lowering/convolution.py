"""Convolutions and matrix products with constant weights."""

from __future__ import annotations

import math

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import constant, shape_of
from separable.compiler.lowering.state import Lowering
from separable.compiler.program import Value
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import Conv, Dense, Depthwise, Reorder, Window


def lower_conv2d(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """``nn.conv2d`` with constant weights, from a plain image of few channels or a blocked one."""
    weight = constant(call.args[1])
    attrs = call.attrs
    if weight is None:
        return None
    pads = [int(pad) for pad in attrs.padding]
    window = Window(
        (weight.shape[2], weight.shape[3]),
        pair(attrs.strides),
        pair(attrs.dilation),
        (pads[0], pads[1]),
    )
    images, channels, height, width = shape_of(var)
    groups = int(attrs.groups)
    y = low.image_of(channels, height, width, images=images)
    constants = [weight.astype(np.float32), np.zeros(channels, np.float32)]
    x = low.value_of(call.args[0])
    shape = shape_of(call.args[0])
    # Few channels: read them where the caller put them, instead of a layout change that would mostly move padding.
    few = images == 1 and shape[1] < max(low.lanes, 5) and groups == 1
    if isinstance(x.tensor, Plain) and few and shape[2:] != (1, 1):
        image = Plain(shape)
        source = x if x.tensor == image else Value(x.name, image, view_of=x)
        return low.emit(var, Conv(image, y, window, weights=low.dtype), [source], constants)
    source, layout = low.blocked(x, shape)
    if shape[2:] == (1, 1) and any(pads):
        # A 1x1 image may share its memory with a plain tensor, which has no room for a halo: take a copy.
        view = low.plain(call.args[0], shape)
        source = low.emit(f"{var.name}_input", Reorder(Plain(shape), layout), [view])
    if groups == shape[1] == channels:
        return low.emit(var, Depthwise(layout, y, window), [source], constants)
    return low.emit(var, Conv(layout, y, window, groups, weights=low.dtype), [source], constants)


def lower_matmul(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """``matmul`` with a constant matrix: one row is a 1x1 convolution of a 1x1 image, several are dense."""
    weight = constant(call.args[1])
    shape = shape_of(call.args[0])
    if weight is None or weight.ndim != 2 or call.args[0] not in low.values:
        return None
    depth, columns = weight.shape
    rows = math.prod(shape[:-1])
    bias = np.zeros(columns, np.float32)
    if rows == 1:
        x = low.value_of(call.args[0])
        if not isinstance(x.tensor, Blocked) or x.tensor.channels != depth:
            x = low.plain(call.args[0])
        source, layout = low.blocked(x, (1, depth))
        y = low.image_of(columns, 1, 1)
        kernel = np.ascontiguousarray(weight.T)[:, :, None, None]
        product = low.emit(var, Conv(layout, y, Window((1, 1)), weights=low.dtype), [source], [kernel, bias])
    else:
        x = low.plain(call.args[0], (rows, depth))
        product = low.emit(var, Dense(Plain((rows, depth)), Plain((rows, columns))), [x], [weight, bias])
    # In another shape than [N, C] the columns are no channels.
    return product if shape_of(var) == (rows, columns) else Value(var.name, Plain(shape_of(var)), view_of=product)


def pair(values: object) -> tuple[int, int]:
    """Two integers of an operator's attribute."""
    first, second = (int(value) for value in values)  # type: ignore[attr-defined]
    return first, second
