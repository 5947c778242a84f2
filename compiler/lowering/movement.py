"""Operators that only move data: views, transposes, concatenations, resizing."""

from __future__ import annotations

import math

from separable.compiler._tvm import relax
from separable.compiler.exprs import shape_of
from separable.compiler.lowering.state import Lowering
from separable.compiler.program import Step, Value
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import Elementwise, Reorder, Resize, Workload


def lower_view(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """A reshape: the same memory, once it is plain."""
    value = low.value_of(call.args[0])
    tensor, shape = value.tensor, shape_of(var)
    pixels = tensor.height == tensor.width == 1 if isinstance(tensor, Blocked) else False
    if isinstance(tensor, Blocked) and pixels and shape[:2] == (tensor.images, tensor.channels):
        return value
    return low.plain(call.args[0], shape)


def lower_permute(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """``[0, 2, 3, 1]`` of a blocked image: a change of layout to channels last."""
    image = low.blocked_already(call.args[0])
    if image is None or [int(axis) for axis in call.attrs.axes or ()] != [0, 2, 3, 1]:
        return None
    return low.emit(var, Reorder(image[1], Plain(shape_of(var)), channels_last=True), [image[0]])


def lower_concat(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Concatenation of the channels of blocked images, or along the outermost axis that is not 1.

    The inputs become slices of the output.
    """
    fields = list(call.args[0].fields)
    shape = shape_of(var)
    axis = int(call.attrs.axis) % len(shape)
    if not all(field in low.values for field in fields):
        return None
    channels = [shape_of(field)[axis] for field in fields]
    images = len(shape) == 4 and axis == 1 and all(low.blocked_already(field) for field in fields)
    if images and all(count % low.lanes == 0 for count in channels[:-1]):
        output = Value(var.name, low.image_of(shape[1], shape[2], shape[3], images=shape[0]))
        sources = [low.value_of(field) for field in fields]
        units = [count // low.lanes for count in channels]
    elif math.prod(shape[:axis]) != 1:
        return None
    else:
        output = Value(var.name, Plain(shape, str(var.ty.dtype)))
        sources = [low.plain(field) for field in fields]
        units = [math.prod(shape_of(field)) for field in fields]
    offset = 0
    for source, size in zip(sources, units, strict=True):
        _place(low, source, output, offset)
        offset += size
    return output


def _place(low: Lowering, source: Value, output: Value, offset: int) -> None:
    """Make ``source`` the part of ``output`` from ``offset`` on: in place where its memory is still free to move."""
    root = source.root
    movable = (
        type(root.tensor) is type(output.tensor)
        and root.tensor.nbytes == source.tensor.nbytes
        and root not in low.program.inputs
        and any(step.output is root for step in low.program.steps)
    )
    if movable:
        root.view_of, root.offset = output, offset
        return
    part = Value(f"{source.name}_part", source.tensor, output, offset)
    if isinstance(source.tensor, Blocked):
        workload: Workload = Elementwise("identity", (source.tensor,), source.tensor)
    else:
        workload = Reorder(source.tensor, source.tensor)
    low.program.steps.append(Step((output.name,), workload, [source], [], part))


def lower_resize(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """``image.resize2d`` to the nearest pixel, where that is ``floor(y·h/H)``."""
    attrs = call.attrs
    (_, _, height, width), (_, _, out_height, out_width) = shape_of(call.args[0]), shape_of(var)
    whole = out_height % height == 0 and out_width % width == 0
    mode, rounding = attrs.coordinate_transformation_mode, attrs.rounding_method
    floors = mode == "asymmetric" and rounding == "floor"
    # Between whole factors the centre of an output pixel never lies halfway between two input pixels.
    floors = floors or (whole and mode == "half_pixel" and rounding.startswith("round"))
    if attrs.method != "nearest_neighbor" or not floors or (image := low.image(call.args[0])) is None:
        return None
    x, layout = image
    y = low.image_of(layout.channels, out_height, out_width, images=layout.images)
    return low.emit(var, Resize(layout, y), [x])
