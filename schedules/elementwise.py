"""Arithmetic and activations on blocked images, one vector of channels at a time.

    Y[b, y, x, c] = activation(A[b, y, x, c] operation B[b, y, x, c])

B is an image, a 1x1 image that is broadcast over the pixels, one constant per channel [b, c], or not there. Operands
are converted to float32, and the result to the dtype of the output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tvm import s_tir, te, tirx

from separable.schedules.kernel import (
    Array,
    Kernel,
    as_dtype,
    block_of,
    into_halo,
    largest_divisor,
    placeholder,
    unroll_and_vectorize,
)
from separable.schedules.math import maximum, minimum, select
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Elementwise
from separable.targets.row import Target

OPERATIONS: dict[str, Callable[..., tirx.Expr]] = {
    "identity": lambda a: a,
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "maximum": maximum,
    "minimum": minimum,
    "prelu": lambda a, b: select(a > 0.0, a, a * b),
}


@dataclass(frozen=True)
class Tile:
    """``columns`` pixels in one iteration of the innermost loop."""

    columns: int


def default_tile(w: Elementwise, target: Target) -> Tile:
    """Memory sets the pace: a few pixels per iteration hide the loop, as many as divide the row so that none is left.

    A quarter of the registers leaves room for the operands and for what an exponential holds on the way.
    """
    return Tile(largest_divisor(w.y.width, target.vector_registers // 4))


def pack(w: Elementwise, constant: Array) -> list[Array]:
    """One number per channel [channels] -> [blocks, lanes]."""
    packed = np.zeros(w.y.blocks * w.y.lanes, np.float32)
    packed[: w.y.channels] = constant
    return [packed.reshape(w.y.blocks, w.y.lanes)]


def compute(w: Elementwise) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs A[, B] and output Y[block, row, column, lane]."""
    images = [placeholder(image, name) for image, name in zip(w.x, "AB", strict=False)]
    constants = [te.placeholder((w.y.blocks, w.y.lanes), name="B")] if w.constant else []

    def pixel(image: Blocked, x: te.Tensor, b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        if (image.height, image.width) == (1, 1):
            return as_dtype(x[b, image.halo.top, image.halo.left, c].asobject(), "float32")
        return as_dtype(x[b, row + image.halo.top, column + image.halo.left, c].asobject(), "float32")

    def value(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        operands = [pixel(image, x, b, row, column, c) for image, x in zip(w.x, images, strict=True)]
        operands += [constant[block_of(w.y, b), c] for constant in constants]
        result = OPERATIONS[w.operation](*(reversed(operands) if w.swapped else operands))
        return as_dtype(w.activation(result) if w.activation is not None else result, w.y.dtype)

    y = te.compute((w.y.planes, w.y.height, w.y.width, w.y.lanes), value, name="Y")
    return te.create_prim_func([*images, *constants, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a row of one channel block."""
    block, row, column, c = sch.get_loops(sch.get_sblock("Y"))
    sch.parallel(sch.fuse(block, row))
    _, column_i = sch.split(column, [None, tile.columns])
    unroll_and_vectorize(sch, [column_i, c])


def build(w: Elementwise, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w))
    schedule(sch, tile)
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
