"""Depthwise and pointwise convolution in one kernel: a band of depthwise rows stays in cache and feeds the GEMM.

    S[b, y, x, c]  = between(sum over ky, kx of X[b, y*s + ky*d, x*s + kx*d, c] * Wd[b, ky, kx, c] + Bd[b, c])
    Y[co, y, x, c] = epilogue(sum over k of S[k, y, x] * Wp[co // NR, k, co % NR, c] + Bp[co, c])

An item computes a band of rows: first of S, all channels, into scratch; then of Y. The image S is never stored. Threads
may share the rows of a band.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules import conv, conv_tile, depthwise
from separable.schedules.kernel import (
    Array,
    Kernel,
    as_dtype,
    initialise_before,
    into_halo,
    largest_divisor,
    placeholder,
    round_up,
    share_in_parts,
    start_sums_at,
    unroll_all,
    unroll_and_vectorize,
)
from separable.schedules.register_tile import register_order
from separable.schedules.tensor import DTYPE_BYTES
from separable.schedules.workload import DepthwisePointwise
from separable.targets.row import Target

_MIN_BANDS = 14
"""Items that a few threads can share evenly."""


@dataclass(frozen=True)
class Tile:
    """The band and the register tiles of both halves.

    Attributes:
        rows: output rows of a band.
        depthwise: register tile of the depthwise half; it divides the band.
        pointwise: register tile of the pointwise half; one row high.
    """

    rows: int
    depthwise: depthwise.Tile
    pointwise: conv.Tile


def decline(w: DepthwisePointwise, target: Target) -> str | None:
    """Why the two are better computed one after the other; None if they are better fused.

    Fused, S is neither written nor read back. That counts when S leaves L2, which also holds parts of the images before
    and after: each line of S then has to be fetched from the last cache before it is overwritten. The price is that
    every band passes over all pointwise weights, which must therefore stay in L2, and that register tiles end with each
    row of the image.
    """
    if w.x.images > 1:
        return "there are several images"
    if w.middle.nbytes <= target.l2_bytes // 2:
        return "the image between them stays in L2"
    if DTYPE_BYTES[w.y.dtype] * w.x.channels * w.y.channels > target.l2_bytes // 2:
        return "the pointwise weights take more than half of L2"
    rows, way = _cycles_of_rows(w, target), _cycles_of_way(w, target)
    if rows > way:
        return f"tiles within rows take {rows:.0f} cycles, by estimate, and the way of the image between them {way:.0f}"
    return None


def _cycles_of_rows(w: DepthwisePointwise, target: Target) -> float:
    """What register tiles within rows compute twice, beyond those of the pointwise convolution by itself."""
    vector = target.for_vectors(w.y.dtype, w.y.lanes)

    def least(rows: int, columns: int, narrow: bool) -> float:
        tiles = conv_tile.register_tiles(rows, columns, w.y.blocks, w.x.channels, vector, vector.panel_vectors, narrow)
        return min(tiles.values())

    by_rows = w.y.height * least(1, w.y.width, narrow=False)
    return w.x.channels * (by_rows - least(*conv_tile.grid(w.pointwise), narrow=conv_tile.narrows(target)))


def _cycles_of_way(w: DepthwisePointwise, target: Target) -> float:
    """What it takes to write S and to read it back, beyond L2; half of that hides behind arithmetic."""
    rate = target.l3_bytes_per_cycle
    if w.middle.nbytes > target.l3_bytes // 2:
        rate = target.memory_gb_per_s / (target.ghz or 1)
    return 2 * w.middle.nbytes / rate / 2


def default_tile(w: DepthwisePointwise, target: Target) -> Tile:
    """The tiles of the halves by themselves, and the highest band that fits an eighth of L2 and leaves enough bands."""
    vector = target.for_vectors(w.y.dtype, w.y.lanes)
    panel = vector.panel_vectors
    _, columns, vectors = conv_tile.register_tile(1, w.y.width, w.y.blocks, w.x.channels, vector, panel)
    unroll = conv_tile.unroll_of(w.x.channels, columns * vectors, w.y.lanes)
    if target.lane_operands and w.y.lanes == target.lanes and w.x.channels % (4 * w.y.lanes) == 0:
        # One block of four channels is a short loop, and in a band the next one is near.
        unroll = 4 * w.y.lanes
    pointwise = conv.Tile(1, columns, vectors, unroll, pixels_outer=True, panel=panel)
    row_bytes = w.middle.blocks * w.middle.pixel_bytes * round_up(w.y.width, columns)
    rows = max(1, min(target.l2_bytes // 8 // row_bytes, w.y.height // _MIN_BANDS, 4))
    first = depthwise.default_tile(w.depthwise, target)
    # Divisors of the band, so that no tile of S sticks out of it.
    inner = depthwise.Tile(
        largest_divisor(rows, first.rows), largest_divisor(round_up(w.y.width, columns), max(first.columns, 8))
    )
    return Tile(rows, inner, pointwise)


def pack(
    w: DepthwisePointwise, tile: Tile, weight: Array, bias: Array, point_weight: Array, point_bias: Array
) -> list[Array]:
    """Weights and biases of both halves, as the halves pack them."""
    return [
        *depthwise.pack(w.depthwise, weight, bias),
        *conv.pack(w.pointwise, tile.pointwise, point_weight, point_bias),
    ]


def walked(w: DepthwisePointwise, tile: Tile) -> tuple[int, int]:
    """Output rows and columns that the loops walk; tiles may stick out of the image."""
    return round_up(w.y.height, tile.rows), round_up(w.y.width, tile.pointwise.columns)


def compute(w: DepthwisePointwise, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X, Wd, Bd, Wp, Bp[, R] and output Y[block, row, column, lane]."""
    lanes, depth, packed, dtype = w.y.lanes, w.x.channels, tile.pointwise.packed, w.y.dtype
    walked_blocks = round_up(w.y.blocks, tile.pointwise.vectors)
    rows, columns = walked(w, tile)
    x = placeholder(w.x, "X")
    weight = te.placeholder((w.x.blocks, *w.window.size, lanes), name="Wd", dtype=dtype)
    bias = te.placeholder((w.x.blocks, lanes), name="Bd", dtype=dtype)
    panels = conv.panels(w.pointwise, tile.pointwise)
    point_weight = te.placeholder((panels, 1, 1, depth, packed, lanes), name="Wp", dtype=dtype)
    point_bias = te.placeholder((walked_blocks, lanes), name="Bp", dtype=dtype)
    arguments = [x, weight, bias, point_weight, point_bias]
    ky, kx = te.reduce_axis((0, w.window.size[0]), "ky"), te.reduce_axis((0, w.window.size[1]), "kx")
    k = te.reduce_axis((0, depth), "k")
    (sy, sx), (dy, dx) = w.window.stride, w.window.dilation
    top, left = w.x.halo.top - w.window.pad[0], w.x.halo.left - w.window.pad[1]

    def tap(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        pixel = x[b, row * sy + ky * dy + top, column * sx + kx * dx + left, c]
        return te.sum(as_dtype(pixel, dtype) * weight[b, ky, kx, c], axis=[ky, kx])

    def product(co: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        pixel = between[tirx.floordiv(k, lanes), row, column, tirx.floormod(k, lanes)]
        panel = point_weight[tirx.floordiv(co, packed), 0, 0, k, tirx.floormod(co, packed), c]
        return te.sum(pixel * panel, axis=[k])

    sums = te.compute((w.x.blocks, rows, columns, lanes), tap, name="sums")
    between = te.compute(sums.shape, lambda b, r, q, c: w.between(sums(b, r, q, c), None), name="S")
    acc = te.compute((walked_blocks, rows, columns, lanes), product, name="acc")
    if w.residual is not None:
        residual = placeholder(w.residual, "R")
        arguments.append(residual)

    def finish(co: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        value = acc(co, row, column, c)
        if w.residual is None:
            return w.epilogue(value, None)
        return w.epilogue(value, residual[co, row + w.residual.halo.top, column + w.residual.halo.left, c])

    y = te.compute((w.y.blocks, w.y.height, w.y.width, lanes), finish, name="Y")
    func = te.create_prim_func([*arguments, y])
    return start_sums_at(start_sums_at(func, "sums", parameter=2), "acc", parameter=4)


def schedule(sch: s_tir.Schedule, tile: Tile, lane_operands: bool) -> None:
    """One item is a band of rows: its depthwise half into scratch, then its pointwise half, tile after tile."""
    acc, y, between, sums = (sch.get_sblock(name) for name in ("acc", "Y", "S", "sums"))
    # The pointwise half: pixels outside of panels, so that a tile's pixels stay in L1 while all panels pass.
    co, row, column, c, k = sch.get_loops(acc)
    panel, co_i = sch.split(co, [None, tile.pointwise.vectors])
    band, row_i = sch.split(row, [None, tile.rows])
    column_o, column_i = sch.split(column, [None, tile.pointwise.columns])
    k_o, k_i = sch.split(k, [None, tile.pointwise.unroll])
    register_tile = register_order(k_i, [column_i], co_i, lane_operands)
    sch.reorder(band, row_i, column_o, panel, k_o, *register_tile, c)
    sch.parallel(band)
    parts = tile.rows // tile.depthwise.rows
    share_in_parts(sch, row_i, parts)
    unroll_all(sch, register_tile)
    sch.vectorize(c)
    sch.reverse_compute_at(y, panel)
    unroll_and_vectorize(sch, sch.get_loops(y)[4:])
    # The depthwise half: all channels of the band.
    sch.compute_at(between, band, preserve_unit_loops=True)
    block, row, column, c = sch.get_loops(between)[1:]
    row_o, row_i = sch.split(row, [None, tile.depthwise.rows])
    share_in_parts(sch, row_o, parts)
    column_o, column_i = sch.split(column, [None, tile.depthwise.columns])
    sch.reorder(block, row_o, column_o, row_i, column_i, c)
    unroll_and_vectorize(sch, [row_i, column_i, c])
    sch.compute_at(sums, column_o, preserve_unit_loops=True)
    row, column, c, ky, kx = sch.get_loops(sums)[-5:]
    sch.reorder(ky, kx, row, column, c)
    unroll_all(sch, [ky, kx, row, column])
    sch.vectorize(c)
    initialise_before(sch, sums, ky)
    initialise_before(sch, acc, k_o)


def build(w: DepthwisePointwise, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile, target.lane_operands)
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
