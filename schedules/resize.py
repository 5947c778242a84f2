"""Nearest-neighbour resizing of a blocked image.

    Y[b, y, x, c] = X[b, floor(y * h / H), floor(x * w / W), c]     for an input of h x w and an output of H x W

The pattern of columns repeats after gcd(w, W) steps, so within one period no index is computed at run time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.kernel import Kernel, as_dtype, into_halo, placeholder, unroll_and_vectorize
from separable.schedules.workload import Resize
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """``columns`` output pixels in one iteration of the innermost loop."""

    columns: int


def default_tile(w: Resize, target: Target) -> Tile:
    """One period of the column pattern, if that is short enough to unroll."""
    period = w.y.width // math.gcd(w.x.width, w.y.width)
    return Tile(period if period <= 16 else 1)


def compute(w: Resize) -> tirx.PrimFunc:
    """The kernel's mathematics: input X and output Y[block, row, column, lane]."""
    x = placeholder(w.x, "X")
    top, left = w.x.halo.top, w.x.halo.left

    def pixel(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        source_row = tirx.floordiv(row * w.x.height, w.y.height)
        source_column = tirx.floordiv(column * w.x.width, w.y.width)
        return as_dtype(x[b, source_row + top, source_column + left, c], w.y.dtype)

    y = te.compute((w.y.planes, w.y.height, w.y.width, w.y.lanes), pixel, name="Y")
    return te.create_prim_func([x, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a row of one channel block."""
    block, row, column, c = sch.get_loops(sch.get_sblock("Y"))
    sch.parallel(sch.fuse(block, row))
    _, column_i = sch.split(column, [None, tile.columns])
    unroll_and_vectorize(sch, [column_i, c])


def build(w: Resize, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w))
    schedule(sch, tile)
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
