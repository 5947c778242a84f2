"""Features of regions, cut from blocked images by bilinear interpolation, one vector of channels at a time.

    Y[b, r, i, j, c] = sum over p, q of  V[r, i, p] * H[r, j, q] * X[b, image of r, down[r, i, p], across[r, j, q], c]

Output pixel (i, j) of region r is the mean of ``samples`` x ``samples`` points, and interpolation is linear in each
direction on its own: p and q walk over the two neighbours of each point, whose weights and places are computed once a
region, in float32. He et al., "Mask R-CNN", 2017, section 3; ONNX ``RoiAlign``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.kernel import Kernel, as_dtype, into_halo, placeholder
from separable.schedules.math import select
from separable.schedules.workload import RoiAlign
from separable.targets.row import Target

LARGEST_GRID = 4
"""Samples in a direction up to which the kernel, which has the product of every tap in its code, stays small."""


@dataclass(frozen=True)
class Tile:
    """``columns`` output pixels in one iteration of the innermost loop."""

    columns: int


def default_tile() -> Tile:
    """One: its taps, 16 at two samples in each direction, hide what the loop and the addresses take."""
    return Tile(1)


def _neighbours(w: RoiAlign, regions: te.Tensor, axis: int, name: str) -> tuple[te.Tensor, te.Tensor]:
    """Places int32 and weights float32 [region, output, neighbour] along an axis of the image, (y, x).

    A sample more than a pixel outside of the image weighs nothing. Whatever a region holds, NaN included, places lie in
    the image.
    """
    outputs, size = (w.y.height, w.y.width)[axis], (w.x[0].height, w.x[0].width)[axis]
    zero, last = tirx.const(0.0, "float32"), tirx.const(size - 1.0, "float32")

    def at(r: tirx.Expr, i: tirx.Expr, tap: tirx.Expr) -> tirx.Expr:
        low, high = regions[r, 2 - axis] * w.scale, regions[r, 4 - axis] * w.scale
        extent = high - low
        if not w.shrinks:
            extent = select(extent > 1.0, extent, tirx.const(1.0, "float32"))
        step = extent / outputs
        sample = tirx.floordiv(tap, 2).astype("float32") + 0.5
        return low + i.astype("float32") * step + sample * step / w.samples

    def inside(position: tirx.Expr) -> tirx.Expr:
        # Comparisons are false for NaN.
        position = select(position > zero, position, zero)
        return select(position < last, position, last)

    def place(r: tirx.Var, i: tirx.Var, tap: tirx.Var) -> tirx.Expr:
        before = tirx.floor(inside(at(r, i, tap))).astype("int32")
        return tirx.min(before + tirx.floormod(tap, 2), size - 1)

    def weight(r: tirx.Var, i: tirx.Var, tap: tirx.Var) -> tirx.Expr:
        position = at(r, i, tap)
        nearest = inside(position)
        second = nearest - tirx.floor(nearest)
        share = select(tirx.floormod(tap, 2) == 0, 1.0 - second, second) * (1.0 / w.samples)
        return select(tirx.any(position < -1.0, position > float(size)), zero, share)

    shape = (w.y.images, outputs, 2 * w.samples)
    return te.compute(shape, place, name=f"{name}_places"), te.compute(shape, weight, name=f"{name}_weights")


def compute(w: RoiAlign) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X, regions R and output Y[region, block, row, column, lane]."""
    image, regions = w.x
    x, r = placeholder(image, "X"), placeholder(regions, "R")
    (down, vertical), (across, horizontal) = (_neighbours(w, r, axis, name) for axis, name in enumerate("vh"))
    taps = range(2 * w.samples)

    def value(n: tirx.Var, b: tirx.Var, i: tirx.Var, j: tirx.Var, c: tirx.Var) -> tirx.Expr:
        plane = b if image.images == 1 else b * image.images + r[n, 0].astype("int32")

        def pixel(p: int, q: int) -> tirx.Expr:
            value = x[plane, down[n, i, p] + image.halo.top, across[n, j, q] + image.halo.left, c]
            return as_dtype(value, "float32")

        def row(p: int) -> tirx.Expr:
            products = [horizontal[n, j, q] * pixel(p, q) for q in taps]
            return sum(products[1:], products[0])

        rows = [vertical[n, i, p] * row(p) for p in taps]
        return as_dtype(sum(rows[1:], rows[0]), w.y.dtype)

    y = te.compute((w.y.images, w.y.blocks, w.y.height, w.y.width, w.y.lanes), value, name="Y")
    return te.create_prim_func([x, r, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a region with all its channels."""
    item, _, _, column, c = sch.get_loops(sch.get_sblock("Y"))
    sch.parallel(item)
    _, column_i = sch.split(column, [None, tile.columns])
    sch.unroll(column_i)
    sch.vectorize(c)
    for name in ("v_places", "v_weights", "h_places", "h_weights"):
        sch.compute_at(sch.get_sblock(name), item, preserve_unit_loops=True)


def build(w: RoiAlign, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile()
    sch = s_tir.Schedule(compute(w))
    schedule(sch, tile)
    store = into_halo(w.y)

    def store_at(
        n: tirx.Expr, block: tirx.Expr, row: tirx.Expr, column: tirx.Expr, lane: tirx.Expr
    ) -> Sequence[tirx.Expr]:
        return store(block * w.y.images + n, row, column, lane)

    return Kernel(sch.mod["main"], w.y.shape, store_at, tile)
