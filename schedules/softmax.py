"""Softmax over the last axis of a plain tensor, with the exponential as a polynomial of vectors.

    e[i, j] = exp(X[i, j] - max over j of X[i, j])
    Y[i, j] = e[i, j] / (sum over j of e[i, j])

Vectors run along the row or, where rows are short and many, down the rows. The last vector of either overlaps the one
before it instead of sticking out: its values are computed twice and counted once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.kernel import Kernel, initialise_before, overlapped
from separable.schedules.math import exp, select
from separable.schedules.workload import Softmax
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """A vector covers ``rows`` x ``columns`` values; one of the two is 1."""

    rows: int
    columns: int


def _matrix(w: Softmax) -> tuple[int, int]:
    """Rows and columns."""
    return math.prod(w.x.shape[:-1]), w.x.shape[-1]


def default_tile(w: Softmax, target: Target) -> Tile:
    """Down the rows where one row does not fill a vector and there are enough rows; along the row otherwise."""
    rows, columns = _matrix(w)
    if columns < target.lanes <= rows:
        return Tile(target.lanes, 1)
    return Tile(1, min(columns, target.lanes))


def compute(w: Softmax, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: input X[row, column], output Y[row_o, column_o, row_i, column_i]."""
    rows, columns = _matrix(w)
    bands, vectors = -(-rows // tile.rows), -(-columns // tile.columns)
    x = te.placeholder((rows, columns), name="X")
    i_r, j_r = te.reduce_axis((0, vectors), "j_o"), te.reduce_axis((0, tile.columns), "j_i")

    def read(i_o: tirx.Var, j_o: tirx.Var, i: tirx.Var, j: tirx.Var) -> tirx.Expr:
        return x[overlapped(i_o, tile.rows, rows) + i, overlapped(j_o, tile.columns, columns) + j]

    def once(value: tirx.Expr, j_o: tirx.Var, j: tirx.Var) -> tirx.Expr:
        if columns % tile.columns == 0:
            return value
        is_new = overlapped(j_o, tile.columns, columns) + j >= j_o * tile.columns
        return select(is_new, value, tirx.const(0.0, "float32"))

    by_lane, whole = (bands, tile.rows, tile.columns), (bands, tile.rows)
    peaks = te.compute(by_lane, lambda i_o, i, j: te.max(read(i_o, i_r, i, j), axis=i_r), name="peaks")
    peak = te.compute(whole, lambda i_o, i: te.max(peaks[i_o, i, j_r], axis=j_r), name="peak")
    shape = (bands, vectors, tile.rows, tile.columns)
    e = te.compute(shape, lambda i_o, j_o, i, j: exp(read(i_o, j_o, i, j) - peak[i_o, i]), name="e")
    sums = te.compute(by_lane, lambda i_o, i, j: te.sum(once(e[i_o, i_r, i, j], i_r, j), axis=i_r), name="sums")
    total = te.compute(whole, lambda i_o, i: te.sum(sums[i_o, i, j_r], axis=j_r), name="total")
    scale = te.compute(whole, lambda i_o, i: 1.0 / total[i_o, i], name="scale")
    y = te.compute(shape, lambda i_o, j_o, i, j: e[i_o, j_o, i, j] * scale[i_o, i], name="Y")
    return te.create_prim_func([x, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a row, or a vector's worth of rows: all steps one after the other while it is in L1."""
    item = sch.get_loops(sch.get_sblock("Y"))[0]
    sch.parallel(item)
    for name in ("scale", "total", "sums", "e", "peak", "peaks"):
        sch.compute_at(sch.get_sblock(name), item, preserve_unit_loops=True)
    for name in ("e", "Y"):
        sch.vectorize(sch.fuse(*sch.get_loops(sch.get_sblock(name))[-2:]))
    # Reductions over the vectors of a row, lane by lane ...
    for name in ("peaks", "sums"):
        block = sch.get_sblock(name)
        *_, i, j, j_o = sch.get_loops(block)
        sch.reorder(j_o, i, j)
        sch.vectorize(sch.fuse(i, j))
        initialise_before(sch, block, j_o)
    # ... and over the lanes.
    for name in ("peak", "total"):
        block = sch.get_sblock(name)
        *_, i, j = sch.get_loops(block)
        sch.reorder(j, i)
        sch.unroll(j)
        sch.vectorize(i)
        initialise_before(sch, block, j)
    sch.vectorize(sch.get_loops(sch.get_sblock("scale"))[-1])


def build(w: Softmax, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    rows, columns = _matrix(w)

    def store_at(i_o: tirx.Expr, j_o: tirx.Expr, i: tirx.Expr, j: tirx.Expr) -> Sequence[tirx.Expr]:
        return overlapped(i_o, tile.rows, rows) + i, overlapped(j_o, tile.columns, columns) + j

    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile)
    return Kernel(sch.mod["main"], (rows, columns), store_at, tile)
