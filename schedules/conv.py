"""2-D convolution as an implicit GEMM on blocked images: MR pixels x NR channel vectors in registers.

    acc[co, y, x, c] = sum over ky, kx, k of  X[k, y*s + ky*d, x*s + kx*d] * W[co // NR, ky, kx, k, co % NR, c]
    Y[co, y, x, c]   = epilogue(acc + bias)

X is read one scalar at a time and broadcast, W is read as whole vectors, packed in the order of use:

    panel of NR vectors | ky | kx | k | [ v0 v1 .. | v0 v1 .. | .. ]  NR x lanes

Kernels for several CPUs that share their weights agree on the channels of a panel; a register tile is then a part of
one, or several of them side by side.

Images follow one another: each passes over all panels, which it shares with the one after it in the caches.

A grouped convolution is the same with, for each panel, only the window of input channels that the panel's groups read;
where a panel spans several groups, the weights outside of a channel's own group are zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from tvm import s_tir, te, tirx

from separable.schedules.conv_tile import Tile, channel_window, default_tile, grid, is_collapsed
from separable.schedules.kernel import (
    COLUMNS,
    NARROW,
    PREFETCH,
    STORES_AHEAD,
    Array,
    Kernel,
    as_dtype,
    initialise_before,
    largest_divisor,
    overlapped,
    placeholder,
    round_up,
    start_sums_at,
    stores_ahead,
    unroll_all,
    unroll_and_vectorize,
)
from separable.schedules.register_tile import register_order
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import Conv
from separable.targets.row import Target

__all__ = ["Tile", "build", "compute", "default_tile", "has_two_loops", "pack", "panels", "schedule", "streams"]

_INNER_STEPS = 16
"""Iterations between two prefetches, where a reduction has two loops."""


def _image_of(w: Conv, tile: Tile, band: tirx.Expr) -> tuple[tirx.Expr, tirx.Expr]:
    """The image that a band of register tiles lies in, and the band's number there."""
    bands = -(-grid(w)[0] // tile.rows)
    if w.y.images == 1:
        return tirx.const(0, "int32"), band
    return tirx.floordiv(band, bands), tirx.floormod(band, bands)


def _plane(image: Blocked, block: tirx.Expr, n: tirx.Expr) -> tirx.Expr:
    """Which plane of the buffer holds a channel block of image ``n``."""
    return block if image.images == 1 else block * image.images + n


def streams(w: Conv, tile: Tile) -> int:
    """How many blocks of four input channels one iteration reads, each from its own part of the channels.

    A loop over one block is short; one over two that follow each other addresses the second by an offset that is too
    large for paired loads on Arm. Blocks in separate parts of the channels have a pointer each. Not where pixels are
    outermost, as weights there come in the order of the channels.
    """
    size, _ = channel_window(w, tile.vectors)
    narrow = isinstance(w.x, Blocked) and w.x.lanes == 4 and w.groups == 1 and not tile.pixels_outer
    return tile.unroll // 4 if narrow and tile.unroll % 4 == 0 and size % tile.unroll == 0 else 1


def has_two_loops(w: Conv, tile: Tile) -> bool:
    """Whether the reduction is a loop in a loop: for streams, and so that few iterations ask for the next panel."""
    return streams(w, tile) > 1 or (w.y.dtype == "float16" and isinstance(w.x, Blocked) and not tile.pixels_outer)


def _step(k: tirx.Expr, size: int, parts: int) -> tirx.Expr:
    """When input channel ``k`` of ``size`` takes its turn."""
    if parts == 1:
        return k
    part, offset = tirx.floordiv(k, size // parts), tirx.floormod(k, size // parts)
    return tirx.floordiv(offset, 4) * (4 * parts) + part * 4 + tirx.floormod(offset, 4)


def _channel_start(w: Conv, panel: tirx.Expr, vectors: int, size: int) -> tirx.Expr:
    """The same first channel as an expression of the panel's index."""
    if w.groups == 1:
        return tirx.const(0, "int32")
    first_out = panel * (vectors * w.y.lanes)
    start = tirx.floordiv(first_out, w.y.channels // w.groups) * (w.in_channels // w.groups)
    return tirx.min(start, w.in_channels - size)


def panels(w: Conv, tile: Tile) -> int:
    """Panels of the packed weights: as many as the register tiles reach into."""
    return -(-round_up(w.y.blocks, tile.vectors) // tile.packed)


def pack(w: Conv, tile: Tile, weight: Array, bias: Array) -> list[Array]:
    """ONNX weights [out, in / groups, kh, kw] and bias [out] -> [panel, ky, kx, k, NR, lanes] and [blocks, lanes]."""
    lanes, panel, count = w.y.lanes, tile.packed * w.y.lanes, panels(w, tile)
    size, starts = channel_window(w, tile.packed)
    per_group_in, per_group_out = w.in_channels // w.groups, w.y.channels // w.groups
    packed = np.zeros((count, *w.window.size, size, panel), w.weights)
    for channel in range(w.y.channels):
        index, lane = divmod(channel, panel)
        offset = channel // per_group_out * per_group_in - starts[index]
        packed[index, :, :, offset : offset + per_group_in, lane] = weight[channel].transpose(1, 2, 0)
    parts = streams(w, tile)
    if parts > 1:
        in_parts = packed.reshape(count, *w.window.size, parts, -1, 4, panel)
        packed = np.ascontiguousarray(in_parts.swapaxes(3, 4))
    padded_bias = np.zeros(round_up(w.y.blocks, tile.vectors) * lanes, w.y.dtype)
    padded_bias[: w.y.channels] = bias
    return [packed.reshape(count, *w.window.size, size, tile.packed, lanes), padded_bias.reshape(-1, lanes)]


def _pad_rows(w: Conv, x: te.Tensor, rows: int, columns: int) -> tuple[te.Tensor, int]:
    """The plain input with its zeros around it, [channels, rows, chunk, lane], and the columns put before column 0.

    Columns are moved in chunks that divide the image's width, so that a chunk is either all image or all zeros and is
    copied as a vector.
    """
    assert isinstance(w.x, Plain)
    _, channels, height, width = w.x.shape
    chunk = math.gcd(width, w.y.lanes)
    left = round_up(w.window.pad[1], chunk)
    total = round_up(w.window.reach(1, columns) - w.window.pad[1] + left, chunk)
    top = w.window.pad[0]

    def value(ci: tirx.Var, row: tirx.Var, j: tirx.Var, c: tirx.Var) -> tirx.Expr:
        inside = tirx.all(row >= top, row < top + height, j >= left // chunk, j < (left + width) // chunk)
        pixel = as_dtype(x[0, ci, row - top, j * chunk + c - left], w.y.dtype)
        return tirx.if_then_else(inside, pixel, tirx.const(0.0, w.y.dtype))

    shape = (channels, w.window.reach(0, rows), total // chunk, chunk)
    return te.compute(shape, value, name="padded"), left


def _pixel(
    w: Conv, tile: Tile, row_o: tirx.Expr, row_i: tirx.Expr, column_o: tirx.Expr, column_i: tirx.Expr
) -> tuple[tirx.Expr, tirx.Expr]:
    """Row and column, as the loops walk them, of a pixel of a register tile. No tile sticks out of the image."""
    rows, columns = grid(w)
    return overlapped(row_o, tile.rows, rows) + row_i, tile.start(column_o, columns) + column_i


def _image_pixel(
    w: Conv, tile: Tile, row_o: tirx.Expr, row_i: tirx.Expr, column_o: tirx.Expr, column_i: tirx.Expr
) -> tuple[tirx.Expr, tirx.Expr]:
    """Row and column in the image.

    Where a tile of a collapsed image begins is divided once; which of its pixels lie in later rows takes comparisons.
    """
    if not is_collapsed(w):
        return _pixel(w, tile, row_o, row_i, column_o, column_i)
    width = w.y.width
    start = tile.start(column_o, w.y.height * width)
    row, column = tirx.floordiv(start, width), tirx.floormod(start, width) + column_i
    if width % tile.columns == 0:
        return row, column
    wraps = range(width, width + tile.columns - 1, width)
    below = sum((tirx.Cast("int32", column >= edge) for edge in wraps), tirx.const(0, "int32"))
    return row + below, column - below * width


def compute(w: Conv, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X, W, B[, R] and output Y[block, row tile, row, column tile, column, lane].

    The row tiles of all images are numbered one after the other.
    """
    lanes, blocks = w.y.lanes, w.y.blocks
    walked = round_up(blocks, tile.vectors)
    size, _ = channel_window(w, tile.vectors)
    parts = streams(w, tile)
    rows, columns = grid(w)
    tiled = (w.y.images * -(-rows // tile.rows), tile.rows, -(-columns // tile.columns), tile.columns)
    x = placeholder(w.x, "X")
    weight = te.placeholder((panels(w, tile), *w.window.size, size, tile.packed, lanes), name="W", dtype=w.weights)
    bias = te.placeholder((walked, lanes), name="B", dtype=w.y.dtype)
    arguments = [x, weight, bias]

    if isinstance(w.x, Plain):
        padded, left = _pad_rows(w, x, rows, columns)
        shift, chunk = left - w.window.pad[1], int(padded.shape[3])

        def read(n: tirx.Expr, k: tirx.Expr, row: tirx.Expr, column: tirx.Expr) -> tirx.Expr:
            column = column + shift
            return padded[k, row, tirx.floordiv(column, chunk), tirx.floormod(column, chunk)]
    else:
        halo = w.x.halo
        top, left = halo.top - w.window.pad[0], halo.left - w.window.pad[1]

        def read(n: tirx.Expr, k: tirx.Expr, row: tirx.Expr, column: tirx.Expr) -> tirx.Expr:
            assert isinstance(w.x, Blocked)
            plane, lane = _plane(w.x, tirx.floordiv(k, lanes), n), tirx.floormod(k, lanes)
            if is_collapsed(w):
                return x[plane, 0, column, lane]
            return x[plane, row + top, column + left, lane]

    if is_collapsed(w):
        x = te.placeholder((w.x.shape[0], 1, w.x.shape[1] * w.x.shape[2], lanes), name="X", dtype=w.x.dtype)
        arguments[0] = x

    ky, kx = te.reduce_axis((0, w.window.size[0]), "ky"), te.reduce_axis((0, w.window.size[1]), "kx")
    k = te.reduce_axis((0, size), "k")
    (sy, sx), (dy, dx) = w.window.stride, w.window.dilation

    def product(
        co: tirx.Var, row_o: tirx.Var, row_i: tirx.Var, column_o: tirx.Var, column_i: tirx.Var, c: tirx.Var
    ) -> tirx.Expr:
        n, row_o = _image_of(w, tile, row_o)
        row, column = _pixel(w, tile, row_o, row_i, column_o, column_i)
        channel = _channel_start(w, tirx.floordiv(co, tile.vectors), tile.vectors, size) + k
        pixel = read(n, channel, row * sy + ky * dy, column * sx + kx * dx)
        panel, vector = tirx.floordiv(co, tile.packed), tirx.floormod(co, tile.packed)
        factor = weight[panel, ky, kx, _step(k, size, parts), vector, c]
        return te.sum(as_dtype(pixel, w.y.dtype) * as_dtype(factor, w.y.dtype), axis=[ky, kx, k])

    acc = te.compute((walked, *tiled, lanes), product, name="acc")
    if w.residual is not None:
        residual = placeholder(w.residual, "R")
        arguments.append(residual)

    def finish(
        co: tirx.Var, row_o: tirx.Var, row_i: tirx.Var, column_o: tirx.Var, column_i: tirx.Var, c: tirx.Var
    ) -> tirx.Expr:
        value = acc(co, row_o, row_i, column_o, column_i, c)
        if w.residual is None:
            return w.epilogue(value, None)
        n, row_o = _image_of(w, tile, row_o)
        row, column = _image_pixel(w, tile, row_o, row_i, column_o, column_i)
        row, column = row + w.residual.halo.top, column + w.residual.halo.left
        return w.epilogue(value, residual[_plane(w.residual, co, n), row, column, c])

    y = te.compute((blocks, *tiled, lanes), finish, name="Y")
    return start_sums_at(te.create_prim_func([*arguments, y]), "acc", parameter=2)


def schedule(
    sch: s_tir.Schedule,
    tile: Tile,
    images: int,
    columns: int,
    parts: int,
    two_loops: bool,
    lane_operands: bool,
    ahead: bool,
) -> None:
    """Tile into registers, order panels and pixels, keep the accumulators in registers, finish at the store."""
    narrow = [-(-columns // tile.columns), tile.first_narrow(columns)]
    acc, y = sch.get_sblock("acc"), sch.get_sblock("Y")
    co, row_o, row_i, column_o, column_i, c, ky, kx, k = sch.get_loops(acc)
    panel, co_i = sch.split(co, [None, tile.vectors])
    if not two_loops:
        k_o, k_i = sch.split(k, [None, tile.unroll])
        reduction, step = [k_o], [k_i]
    else:
        # Two loops, as LLVM keeps a pointer for each stream only where it does not know at which channel a loop begins.
        k_part, k_oi, k_i = sch.split(k, [parts, None, tile.unroll // parts])
        steps = int(sch.get(k_oi).extent)
        k_o, k_oi = sch.split(k_oi, [None, largest_divisor(steps, min(_INNER_STEPS, max(1, steps // 2)))])
        reduction, step = [k_o, k_oi], [k_part, k_i]
    reads_plain = "padded" in {sch.get(block).name_hint for block in sch.get_producers(acc)}
    # Around the register tile. From a plain image an item is a whole band of rows, padded once and used by all tiles.
    image, row_o = sch.split(row_o, [images, None]) if images > 1 else (None, row_o)
    outer = [row_o, column_o, panel] if reads_plain or tile.pixels_outer else [panel, row_o, column_o]
    outer = outer if image is None else [image, *outer]
    inner = [*step[:-1], *register_order(k_i, (row_i, column_i), co_i, lane_operands)]
    taps = [ky, kx]
    if reads_plain and lane_operands:
        # Neighbouring columns share the vectors of a plain image.
        sch.reorder(*outer, ky, *reduction, *step[:-1], k_i, kx, co_i, row_i, column_i, c)
        inner = [k_i, kx, co_i, row_i, column_i]
    else:
        if reads_plain:
            # Neighbouring taps of a row share pixels, which LLVM would hold in registers that sums need.
            taps = [kx, ky]
        sch.reorder(*outer, *taps, *reduction, *inner, c)
    sch.annotate(column_i, COLUMNS, tile.columns)
    if reads_plain:
        sch.annotate(column_o, NARROW, [1, *narrow])
        item = row_o
        innermost = panel
        sch.parallel(item)
        padded = sch.get_sblock("padded")
        sch.compute_at(padded, item)
        sch.vectorize(sch.get_loops(padded)[-1])
    else:
        tiles = int(sch.get(row_o).extent) * int(sch.get(column_o).extent)
        parts_of_panel = max(1, tile.packed // tile.vectors)
        panels_of_image = -(-int(sch.get(panel).extent) // parts_of_panel)
        stride = int(sch.get(panel).extent) if tile.pixels_outer else 1
        item = innermost = sch.fuse(*outer)
        sch.annotate(item, NARROW, [stride, *narrow])
        sch.parallel(item)
        # Each panel is used by many tiles: time enough to fetch the next one meanwhile.
        if not tile.pixels_outer and tiles > 1:
            sch.annotate(k_o, PREFETCH, [panels_of_image, tiles * parts_of_panel])
    # The register tile: everything inside one step over k is straight-line code.
    unroll_all(sch, inner)
    sch.vectorize(c)
    # The epilogue, once per tile.
    depth = len(sch.get_loops(acc)) - 6 - len(reduction) - len(step)
    sch.reverse_compute_at(y, innermost)
    if tile.columns > 1:
        sch.annotate(sch.get_loops(y)[-2], COLUMNS, tile.columns)
    if ahead:
        sch.annotate(sch.get_loops(y)[-2], STORES_AHEAD, True)
    unroll_and_vectorize(sch, sch.get_loops(y)[depth:])
    initialise_before(sch, acc, taps[0])


def build(w: Conv, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)

    def store_at(co: tirx.Expr, row_o: tirx.Expr, *pixel: tirx.Expr) -> Sequence[tirx.Expr]:
        *pixel_of_tile, lane = pixel
        n, row_o = _image_of(w, tile, row_o)
        row, column = _image_pixel(w, tile, row_o, *pixel_of_tile)
        return _plane(w.y, co, n), row + w.y.halo.top, column + w.y.halo.left, lane

    sch = s_tir.Schedule(compute(w, tile))
    # Emulation adds in Arm's order.
    by_lanes = target.lane_operands or target.emulates_fp16
    # From a plain image there are few products for each sum.
    ahead = isinstance(w.x, Plain) and stores_ahead(w.x, w.y, target)
    schedule(sch, tile, w.y.images, grid(w)[1], streams(w, tile), has_two_loops(w, tile), by_lanes, ahead)
    return Kernel(sch.mod["main"], w.y.shape, store_at, tile)
