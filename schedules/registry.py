"""Which schedule file builds the kernel of a workload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from separable.schedules import (
    conv,
    dense,
    depthwise,
    depthwise_pointwise,
    elementwise,
    generic,
    global_pool,
    lrn,
    pool,
    reorder,
    resize,
    roi_align,
    softmax,
    strassen,
    strassen_inputs,
    suppress,
    top_k,
    winograd,
)
from separable.schedules.call import Call
from separable.schedules.kernel import Array, Kernel
from separable.schedules.workload import (
    Conv,
    Dense,
    Depthwise,
    DepthwisePointwise,
    Elementwise,
    Generic,
    GlobalPool,
    Lrn,
    Pool,
    Reorder,
    Resize,
    RoiAlign,
    Softmax,
    Strassen,
    StrassenInputs,
    Suppress,
    TopK,
    Winograd,
    Workload,
)
from separable.targets.row import Target

_BUILD: dict[type[Workload], Any] = {
    Conv: conv.build,
    Dense: dense.build,
    Depthwise: depthwise.build,
    DepthwisePointwise: depthwise_pointwise.build,
    Elementwise: elementwise.build,
    Generic: generic.build,
    GlobalPool: global_pool.build,
    Lrn: lrn.build,
    Pool: pool.build,
    Reorder: reorder.build,
    Resize: resize.build,
    RoiAlign: roi_align.build,
    Softmax: softmax.build,
    Strassen: strassen.build,
    StrassenInputs: strassen_inputs.build,
    Winograd: winograd.build,
}

_CALL: dict[type[Workload], Any] = {Suppress: suppress.call, TopK: top_k.call}


def call_of(w: Workload) -> Call | None:
    """The C function of the runtime that computes a workload; None if it has a schedule."""
    call = _CALL.get(type(w))
    result: Call | None = call(w) if call is not None else None
    return result


def build_kernel(w: Workload, target: Target, tile: Any = None) -> Kernel:
    """The scheduled kernel of a workload that has one: see :func:`call_of`.

    Args:
        w: what to compute.
        target: the row that the default tile is computed from.
        tile: a ``Tile`` of the workload's schedule file; the default one if None.
    """
    build = _BUILD[type(w)]
    kernel: Kernel = build(w, target, tile)
    return kernel


def pack_constants(w: Workload, tile: Any, constants: Sequence[Array]) -> list[Array]:
    """Constants in the order and layout the kernel reads them in.

    Args:
        w: the workload.
        tile: the tile of its kernel.
        constants: weights and bias (ONNX layout for convolutions, [K, N] for dense), one number per channel for
            arithmetic, the constant operands of a generic operator; nothing for all others.
    """
    match w:
        case Conv():
            return conv.pack(w, tile, *constants)
        case Depthwise():
            return depthwise.pack(w, *constants)
        case DepthwisePointwise():
            return depthwise_pointwise.pack(w, tile, *constants)
        case Winograd():
            return winograd.pack(w, tile, *constants)
        case Strassen():
            return strassen.pack(w, tile, *constants)
        case Dense():
            return dense.pack(w, tile, *constants)
        case Elementwise(constant=True):
            return elementwise.pack(w, *constants)
        case _:
            return list(constants)


def kind(w: Workload) -> str:
    """A name for the kind of kernel: that of the schedule file, but ``pointwise`` for 1x1 convolutions."""
    if isinstance(w, Conv) and w.groups == 1 and w.window.size == (1, 1):
        return "pointwise"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(w).__name__).lower()
