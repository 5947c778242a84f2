"""The sums of an image's quarters that Strassen's algorithm multiplies: S1 to S4 of schedules/strassen.py.

    V = (S1, S2, S3, S4)   each [channels / 2, pixel pairs]

A pair is a pixel of the first half and one of the second; the channels' halves are the blocks of even and of odd index,
so that the thread that wrote two neighbours reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import s_tir, te, tirx

from separable.schedules.butterfly import choose
from separable.schedules.kernel import Kernel, overlapped, unroll_and_vectorize
from separable.schedules.workload import StrassenInputs
from separable.targets.row import Target

SUMS = 4


@dataclass(frozen=True)
class Tile:
    """``columns`` pairs of two channel blocks are summed by one straight piece of code."""

    columns: int


def default_tile(w: StrassenInputs, target: Target) -> Tile:
    """Pairs whose four inputs fill half of the registers."""
    return Tile(min(w.pairs, target.vector_registers // 8))


def compute(w: StrassenInputs, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: input X[block, 0, pixel, lane] and output V[s, block, chunk, pair, lane]."""
    lanes, blocks = w.x.lanes, w.x.blocks // 2
    x = te.placeholder((w.x.blocks, 1, w.x.height * w.x.width, lanes), name="X")

    def value(s: tirx.Var, block: tirx.Var, chunk: tirx.Var, i: tirx.Var, c: tirx.Var) -> tirx.Expr:
        first = overlapped(chunk, tile.columns, w.pairs) + i
        x11, x12, x21, x22 = (x[2 * block + k, 0, at, c] for at in (first, first + w.second) for k in range(2))
        s1 = x21 + x22
        s2 = s1 - x11
        return choose(s, [s1, s2, x11 - x21, x12 - s2])

    shape = (SUMS, blocks, -(-w.pairs // tile.columns), tile.columns, lanes)
    return te.create_prim_func([x, te.compute(shape, value, name="V")])


def build(w: StrassenInputs, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)

    def store_at(s: tirx.Expr, block: tirx.Expr, chunk: tirx.Expr, i: tirx.Expr, c: tirx.Expr) -> tuple[tirx.Expr, ...]:
        pair = overlapped(chunk, tile.columns, w.pairs) + i
        return s * (w.x.blocks // 2) + block, tirx.const(0, "int32"), pair, c

    sch = s_tir.Schedule(compute(w, tile))
    s, block, chunk, i, c = sch.get_loops(sch.get_sblock("V"))
    sch.reorder(block, chunk, i, s, c)
    sch.parallel(sch.fuse(block, chunk))
    unroll_and_vectorize(sch, [i, s, c])
    return Kernel(sch.mod["main"], w.y.shape, store_at, tile)
