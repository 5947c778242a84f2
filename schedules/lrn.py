"""Local response normalisation across the channels of a blocked image.

    s[x, c]       = sum over j of X[b, y, x, j]²     c - (size - 1) // 2 <= j <= c + size // 2, within the channels
    Y[b, y, x, c] = X[b, y, x, c] / (bias + alpha / size * s[x, c])^beta

The squares of a few pixels are laid out channel by channel with zeros around them, so that a window that crosses from
one block into the next is a vector load like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.kernel import Kernel, as_dtype, into_halo, largest_divisor, placeholder
from separable.schedules.math import power, select
from separable.schedules.tensor import LINE_BYTES
from separable.schedules.workload import Lrn
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """``columns`` pixels whose squares are laid out at a time."""

    columns: int


def default_tile(w: Lrn, target: Target) -> Tile:
    """Blocks of one pixel lie far apart in memory: a few cache lines of each make up for the jumps."""
    return Tile(largest_divisor(w.y.width, 4 * LINE_BYTES // w.x.pixel_bytes))


def compute(w: Lrn) -> tirx.PrimFunc:
    """The kernel's mathematics: input X and output Y[row, column, block, lane]."""
    image, lanes, halo = w.x, w.x.lanes, w.x.halo
    before, after = (w.size - 1) // 2, w.size // 2
    # Whole blocks of zeros on both sides, so that the stores of squares are aligned.
    front, back = -(-before // lanes), -(-after // lanes)
    x = placeholder(image, "X")

    def square(row: tirx.Var, column: tirx.Var, padded: tirx.Var, lane: tirx.Var) -> tirx.Expr:
        block = padded - front
        nearest = tirx.max(tirx.min(block, image.blocks - 1), 0)
        value = as_dtype(x[nearest, row + halo.top, column + halo.left, lane].asobject(), "float32")
        value = value * value
        # As numbers: TVM would take a condition for granted and leave out the care for the index.
        conditions = [block >= 0] if front else []
        if back:
            conditions.append(block < image.blocks)
        if image.channels % lanes:
            conditions.append(block * lanes + lane < image.channels)
        for condition in conditions:
            value = select(condition.astype("float32") > 0.5, value, tirx.const(0.0, "float32"))
        return value

    shape = (image.height, image.width, front + image.blocks + back, lanes)
    squares = te.compute(shape, square, name="squares")

    def value(row: tirx.Var, column: tirx.Var, block: tirx.Var, lane: tirx.Var) -> tirx.Expr:
        first = (block + front) * lanes + lane - before
        window = [
            squares[row, column, tirx.floordiv(first + j, lanes), tirx.floormod(first + j, lanes)]
            for j in range(w.size)
        ]
        total = sum(window[1:], window[0])
        pixel = as_dtype(x[block, row + halo.top, column + halo.left, lane], "float32")
        return as_dtype(pixel / power(total * (w.alpha / w.size) + w.bias, w.beta), w.y.dtype)

    y = te.compute((image.height, image.width, image.blocks, lanes), value, name="Y")
    return te.create_prim_func([x, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a row; along it, the squares of one group of pixels after the other."""
    squares, y = sch.get_sblock("squares"), sch.get_sblock("Y")
    row, column, block, lane = sch.get_loops(y)
    group, inner = sch.split(column, [None, tile.columns])
    sch.parallel(row)
    sch.reorder(block, inner)
    sch.compute_at(squares, group, preserve_unit_loops=True)
    *_, column, padded, part = sch.get_loops(squares)
    sch.reorder(padded, column)
    for vector in (lane, part):
        sch.vectorize(vector)
    sch.unroll(inner)


def build(w: Lrn, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w))
    schedule(sch, tile)
    store = into_halo(w.y)
    return Kernel(sch.mod["main"], w.y.shape, lambda row, column, block, lane: store(block, row, column, lane), tile)
