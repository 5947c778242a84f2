"""Maximum or mean over the whole image, several channel blocks at once.

    Y[b, c] = max over y, x of  X[b, y, x, c]        or        sum over y, x of  X[b, y, x, c] / (height * width)

Each of the blocks has its own running value, so that one addition need not wait for the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.kernel import (
    Kernel,
    as_dtype,
    initialise_before,
    into_halo,
    placeholder,
    round_up,
    unroll_and_vectorize,
)
from separable.schedules.workload import GlobalPool
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """``blocks`` channel blocks, of one or several images, held in registers."""

    blocks: int


def default_tile(w: GlobalPool, target: Target) -> Tile:
    """As many vectors as hide the latency of an addition; more would leave fewer items to run in parallel."""
    enough = min(target.fma_per_cycle * target.fma_latency, target.vector_registers // 2)
    return Tile(min(enough, w.y.planes))


def compute(w: GlobalPool, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: input X and output Y[block, 0, 0, lane]."""
    blocks, lanes = w.y.planes, w.y.lanes
    x = placeholder(w.x, "X")
    row, column = te.reduce_axis((0, w.x.height), "y"), te.reduce_axis((0, w.x.width), "x")
    reduce, dtype = (te.max, w.x.dtype) if w.kind == "max" else (te.sum, "float32")

    def pixel(b: tirx.Var, c: tirx.Var) -> tirx.Expr:
        # Blocks beyond the last one repeat it; they are not stored.
        block = b if blocks % tile.blocks == 0 else tirx.min(b, blocks - 1)
        value = x[block, row + w.x.halo.top, column + w.x.halo.left, c]
        return reduce(as_dtype(value, dtype), axis=[row, column])

    acc = te.compute((round_up(blocks, tile.blocks), lanes), pixel, name="acc")
    scale = tirx.const(1.0 if w.kind == "max" else 1.0 / (w.x.height * w.x.width), dtype)
    shape = (blocks, 1, 1, lanes)
    y = te.compute(shape, lambda b, _y, _x, c: as_dtype(acc[b, c] * scale, w.y.dtype), name="Y")
    return te.create_prim_func([x, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a register tile of channel blocks."""
    acc, y = sch.get_sblock("acc"), sch.get_sblock("Y")
    block, c, row, column = sch.get_loops(acc)
    item, block_i = sch.split(block, [None, tile.blocks])
    sch.reorder(item, row, column, block_i, c)
    sch.parallel(item)
    unroll_and_vectorize(sch, [block_i, c])
    sch.reverse_compute_at(y, item)
    unroll_and_vectorize(sch, sch.get_loops(y)[1:])
    initialise_before(sch, acc, row)


def build(w: GlobalPool, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile)
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
