"""Arithmetic and activations on blocked images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.activations import match_activation
from separable.compiler.exprs import per_channel, shape_of
from separable.compiler.lowering.state import Lowering
from separable.compiler.program import Value
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Elementwise


def lower_binary(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """Arithmetic on blocked images: with another image, a 1x1 image, or one number per channel."""
    matched = match_activation(call, low.graph)
    if matched is not None and low.blocked_already(matched[0]):
        return None
    name = call.op.name.removeprefix("relax.")
    left, right = call.args
    shape = shape_of(var)
    for first, second, swapped in ((left, right, False), (right, left, True)):
        image = low.blocked_already(first)
        if image is None or shape_of(first) != shape:
            continue
        x, layout = image
        factors = per_channel(second, shape)
        if factors is not None:
            workload = Elementwise(name, (layout,), _like(layout), constant=True, swapped=swapped)
            return low.emit(var, workload, [x], [factors.astype(np.float32)])
        size = shape_of(second) if second in low.values else None
        if size in (shape, (*shape[:2], 1, 1)) and (other := low.image(second)) is not None:
            workload = Elementwise(name, (layout, other[1]), _like(layout), swapped=swapped)
            return low.emit(var, workload, [x, other[0]])
    return None


def lower_activation(low: Lowering, var: relax.Var, call: relax.Call) -> Value | None:
    """An activation of a blocked image, also one that the model spells out in several operators."""
    matched = match_activation(call, low.graph)
    image = low.blocked_already(matched[0]) if matched is not None else None
    if matched is None or image is None:
        return None
    x, layout = image
    return low.emit(var, Elementwise("identity", (layout,), _like(layout), activation=matched[1]), [x])


def _like(image: Blocked) -> Blocked:
    """The layout of an elementwise result: as the operand, without its halo."""
    return replace(image, halo=Halo())
