"""Matrix product of plain matrices: MR rows x NR vectors of columns in registers.

    acc[m, n] = sum over k of  X[m, k] * W[n // panel, k, n % panel]            panel = NR vectors
    Y[m, n]   = epilogue(acc + bias)

X is read one scalar at a time and broadcast, W is packed panel by panel in the order of use. The last tile of either
direction overlaps the one before it instead of sticking out: nothing is read or written beyond a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tvm import s_tir, te, tirx

from separable.schedules.kernel import (
    Array,
    Kernel,
    initialise_before,
    largest_divisor,
    overlapped,
    unroll_all,
    unroll_and_vectorize,
)
from separable.schedules.register_tile import loads_per_step, register_order, registers_needed
from separable.schedules.workload import Dense
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """The register tile.

    Attributes:
        rows: rows held in registers (MR).
        vectors: vectors of columns held in registers (NR).
        lanes: columns in one vector.
        unroll: how many steps over k one iteration of the innermost loop covers.
    """

    rows: int
    vectors: int
    lanes: int
    unroll: int


def _sizes(w: Dense) -> tuple[int, int, int]:
    """Rows, depth and columns: M, K and N."""
    return math.prod(w.x.shape[:-1]), w.x.shape[-1], w.y.shape[-1]


def default_tile(w: Dense, target: Target) -> Tile:
    """The tile argued from the register file, as a convolution's.

    Each step over k costs the larger of its FMAs (not fewer than hide their latency) and its loads; tiles that overlap
    compute twice.
    """
    rows, depth, columns = _sizes(w)
    lanes = min(target.lanes, columns)

    def cost(tile: tuple[int, int]) -> tuple[float, int]:
        tile_rows, vectors = tile
        tiles = -(-rows // tile_rows) * -(-columns // (vectors * lanes))
        fma_cycles = max(tile_rows * vectors / target.fma_per_cycle, target.fma_latency)
        load_cycles = loads_per_step(tile_rows, vectors, target) / target.loads_per_cycle
        # Equal costs: the larger tile reads each matrix fewer times.
        return tiles * (max(fma_cycles, load_cycles) + 0.05 * load_cycles), -tile_rows * vectors

    fitting = [
        (tile_rows, vectors)
        for tile_rows in range(1, min(rows, 28) + 1)
        for vectors in range(1, min(columns // lanes, 8) + 1)
        if registers_needed(tile_rows, vectors, target) <= target.vector_registers
    ]
    tile_rows, vectors = min(fitting, key=cost)
    # Enough FMAs in one iteration to bury the loop's own instructions, few enough to stay in the micro-op cache.
    return Tile(tile_rows, vectors, lanes, largest_divisor(depth, max(4, 224 // (tile_rows * vectors))))


def pack(w: Dense, tile: Tile, weight: Array, bias: Array) -> list[Array]:
    """Weights [K, N] and bias [N] -> [panels, K, NR, lanes] and [panels, NR, lanes]."""
    _, depth, columns = _sizes(w)
    panel = tile.vectors * tile.lanes
    starts = [min(start, columns - panel) for start in range(0, columns, panel)]
    packed = np.stack([weight[:, start : start + panel] for start in starts])
    packed_bias = np.stack([bias[start : start + panel] for start in starts])
    return [
        packed.reshape(len(starts), depth, tile.vectors, tile.lanes).astype(np.float32),
        packed_bias.reshape(len(starts), tile.vectors, tile.lanes).astype(np.float32),
    ]


def compute(w: Dense, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X[m, k], W, B and output Y[panel, m_o, m_i, vector, lane]."""
    rows, depth, columns = _sizes(w)
    panels, bands = -(-columns // (tile.vectors * tile.lanes)), -(-rows // tile.rows)
    x = te.placeholder((rows, depth), name="X")
    weight = te.placeholder((panels, depth, tile.vectors, tile.lanes), name="W")
    bias = te.placeholder((panels, tile.vectors, tile.lanes), name="B")
    k = te.reduce_axis((0, depth), "k")
    shape = (panels, bands, tile.rows, tile.vectors, tile.lanes)

    def product(n_o: tirx.Var, m_o: tirx.Var, m: tirx.Var, v: tirx.Var, n: tirx.Var) -> tirx.Expr:
        return te.sum(x[overlapped(m_o, tile.rows, rows) + m, k] * weight[n_o, k, v, n], axis=k)

    acc = te.compute(shape, product, name="acc")
    y = te.compute(
        shape, lambda n_o, m_o, m, v, n: w.epilogue(acc[n_o, m_o, m, v, n] + bias[n_o, v, n], None), name="Y"
    )
    return te.create_prim_func([x, weight, bias, y])


def schedule(sch: s_tir.Schedule, tile: Tile, lane_operands: bool) -> None:
    """One item is a register tile; a panel of weights stays in cache while it passes over all rows."""
    acc, y = sch.get_sblock("acc"), sch.get_sblock("Y")
    n_o, m_o, m, v, n, k = sch.get_loops(acc)
    k_o, k_i = sch.split(k, [None, tile.unroll])
    register_tile = register_order(k_i, [m], v, lane_operands)
    sch.reorder(n_o, m_o, k_o, *register_tile, n)
    item = sch.fuse(n_o, m_o)
    sch.parallel(item)
    unroll_all(sch, register_tile)
    sch.vectorize(n)
    sch.reverse_compute_at(y, item)
    unroll_and_vectorize(sch, sch.get_loops(y)[1:])
    initialise_before(sch, acc, k_o)


def build(w: Dense, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    rows, _, columns = _sizes(w)
    mr, lanes, panel = tile.rows, tile.lanes, tile.vectors * tile.lanes

    def store_at(n_o: tirx.Expr, m_o: tirx.Expr, m: tirx.Expr, v: tirx.Expr, n: tirx.Expr) -> Sequence[tirx.Expr]:
        return overlapped(m_o, mr, rows) + m, overlapped(n_o, panel, columns) + v * lanes + n

    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile, target.lane_operands)
    return Kernel(sch.mod["main"], (rows, columns), store_at, tile)
