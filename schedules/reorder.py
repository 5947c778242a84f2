"""Change of layout between a plain tensor and a blocked image, and copies of plain tensors.

    to blocked: Y[ch // v, n, y, x, ch % v] = X[n, ch, y, x]
    to plain:   Y[n, ch, y, x]              = X[ch // v, n, y, x, ch % v]      v channels in one block

The plain side has its channels outermost (NCHW) or innermost (NHWC). Only real channels are moved. The last chunk of
pixels overlaps the one before it instead of sticking out: nothing is read or written beyond a tensor. The two sides may
differ in their dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.kernel import Kernel, as_dtype, overlapped, unroll_and_vectorize
from separable.schedules.tensor import Blocked, Plain, Tensor
from separable.schedules.workload import Reorder
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """``pixels`` of one channel block (of a copy: vectors) are moved by one straight piece of code.

    Attributes:
        pixels: pixels in that piece.
        lanes: elements of a vector; channels, where there are any.
    """

    pixels: int
    lanes: int


def default_tile(w: Reorder, target: Target) -> Tile:
    """Half a vector's worth of pixels: the cache lines of the plain side are used up while they are in L1.

    A copy keeps a quarter of the vector registers busy.
    """
    image = _blocked_side(w)
    if image is None:
        return Tile(target.vector_registers // 4, min(target.lanes, math.prod(w.x.shape)))
    return Tile(min(image.lanes // 2, _grid(image)[1]), image.lanes)


def _blocked_side(w: Reorder) -> Blocked | None:
    return next((tensor for tensor in (w.x, w.y) if isinstance(tensor, Blocked)), None)


def _grid(image: Blocked) -> tuple[int, int]:
    """Rows and columns of each image as the loops walk them: one long row unless a halo comes between the rows."""
    return (image.height, image.width) if image.halo else (1, image.height * image.width)


def _walked_shape(w: Reorder, tensor: Tensor, image: Blocked) -> tuple[int, ...]:
    """Shape of the buffer of either side, its pixels as :func:`_grid` has them."""
    rows, columns = _grid(image)
    if isinstance(tensor, Blocked):
        return tensor.shape if tensor.halo else (tensor.planes, rows, columns, tensor.lanes)
    n = image.images
    return (n, rows, columns, image.channels) if w.channels_last else (n, image.channels, rows, columns)


def _locate(
    w: Reorder, tensor: Tensor, n: tirx.Expr, channel: tirx.Expr, row: tirx.Expr, column: tirx.Expr
) -> list[tirx.Expr]:
    """Index of one value of image ``n`` in the buffer of either side."""
    if isinstance(tensor, Blocked):
        lanes, halo = tensor.lanes, tensor.halo
        plane = tirx.floordiv(channel, lanes) * tensor.images + n
        return [plane, row + halo.top, column + halo.left, tirx.floormod(channel, lanes)]
    return [n, row, column, channel] if w.channels_last else [n, channel, row, column]


def _build_reorder(w: Reorder, image: Blocked, tile: Tile) -> Kernel:
    """The kernel Y[row, chunk of pixels, channel, pixel]: one item is a chunk with all its channels.

    The rows of all images are numbered one after the other.
    """
    rows, columns = _grid(image)
    x = te.placeholder(_walked_shape(w, w.x, image), name="X", dtype=w.x.dtype)

    def column_of(chunk: tirx.Expr, pixel: tirx.Expr) -> tirx.Expr:
        return overlapped(chunk, tile.pixels, columns) + pixel

    def row_of(row: tirx.Expr) -> tuple[tirx.Expr, tirx.Expr]:
        if image.images == 1:
            return tirx.const(0, "int32"), row
        return tirx.floordiv(row, rows), tirx.floormod(row, rows)

    def value(row: tirx.Var, chunk: tirx.Var, channel: tirx.Var, pixel: tirx.Var) -> tirx.Expr:
        n, row = row_of(row)
        return as_dtype(x[tuple(_locate(w, w.x, n, channel, row, column_of(chunk, pixel)))], w.y.dtype)

    def store_at(row: tirx.Expr, chunk: tirx.Expr, channel: tirx.Expr, pixel: tirx.Expr) -> Sequence[tirx.Expr]:
        n, row = row_of(row)
        return _locate(w, w.y, n, channel, row, column_of(chunk, pixel))

    y = te.compute((image.images * rows, -(-columns // tile.pixels), image.channels, tile.pixels), value, name="Y")
    sch = s_tir.Schedule(te.create_prim_func([x, y]))
    row, chunk, channel, _ = sch.get_loops(sch.get_sblock("Y"))
    sch.parallel(sch.fuse(row, chunk))
    # Whole channel blocks, then the vector of those channels that do not fill one.
    whole = image.channels // tile.lanes * tile.lanes
    parts = [channel] if whole in (0, image.channels) else sch.loop_partition(channel, [whole, None])
    for part in parts:
        *_, pixel = sch.get_loops(sch.get_child_blocks(part)[0])
        lane = sch.split(part, [None, tile.lanes])[1] if int(sch.get(part).extent) > tile.lanes else part
        sch.reorder(pixel, lane)
        unroll_and_vectorize(sch, [pixel, lane])
    return Kernel(sch.mod["main"], _walked_shape(w, w.y, image), store_at, tile)


def _build_copy(x: Plain, tile: Tile) -> Kernel:
    """The kernel Y[item, vector, lane] over all elements in a row."""
    size = math.prod(x.shape)
    source = te.placeholder((size,), name="X", dtype=x.dtype)

    def at(item: tirx.Expr, vector: tirx.Expr, lane: tirx.Expr) -> tirx.Expr:
        start = (item * tile.pixels + vector) * tile.lanes
        return tirx.min(start, size - tile.lanes) + lane

    items = -(-size // (tile.pixels * tile.lanes))
    y = te.compute((items, tile.pixels, tile.lanes), lambda *index: source[at(*index)], name="Y")
    sch = s_tir.Schedule(te.create_prim_func([source, y]))
    item, vector, lane = sch.get_loops(sch.get_sblock("Y"))
    sch.parallel(item)
    unroll_and_vectorize(sch, [vector, lane])
    return Kernel(sch.mod["main"], (size,), lambda *index: [at(*index)], tile)


def build(w: Reorder, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    image = _blocked_side(w)
    if image is not None:
        return _build_reorder(w, image, tile)
    assert isinstance(w.x, Plain)
    return _build_copy(w.x, tile)
