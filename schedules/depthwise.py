"""Depthwise convolution on blocked images: one filter per channel, all taps unrolled, the pixels' sums in registers.

    acc[b, y, x, c] = sum over ky, kx of  X[b, y*s + ky*d, x*s + kx*d, c] * W[b, ky, kx, c]
    Y[b, y, x, c]   = epilogue(acc + bias)

Neighbouring pixels share most of their inputs: a register tile loads them once, as far as registers hold them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from tvm import s_tir, te, tirx

from separable.schedules.kernel import (
    STORES_AHEAD,
    Array,
    Kernel,
    as_dtype,
    block_of,
    initialise_before,
    into_halo,
    placeholder,
    round_up,
    start_sums_at,
    stores_ahead,
    unroll_all,
    unroll_and_vectorize,
)
from separable.schedules.workload import Depthwise
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """Output pixels held in registers: ``rows`` x ``columns``."""

    rows: int
    columns: int


def default_tile(w: Depthwise, target: Target) -> Tile:
    """The tile argued from the register file.

    The sums of a tile and two input vectors under way must fit. A tile costs the larger of its FMAs (not fewer than
    hide the FMA latency) and its loads.
    """
    taps = math.prod(w.window.size)
    best: tuple[tuple[float, int, int], Tile] | None = None
    for rows in range(1, min(w.y.height, 4) + 1):
        for columns in range(1, min(w.y.width, 16) + 1):
            sums = rows * columns
            if sums + 3 > target.vector_registers:
                break
            fma_cycles = max(sums * taps / target.fma_per_cycle, taps * target.fma_latency / max(1, sums))
            load_cycles = (loads_of(w, rows, columns, target) + sums / 2) / target.loads_per_cycle
            tiles = -(-w.y.height // rows) * -(-w.y.width // columns)
            key = (tiles * (max(fma_cycles, load_cycles) + 0.25 * load_cycles), rows, -columns)
            if best is None or key < best[0]:
                best = (key, Tile(rows, columns))
    assert best is not None
    return best[1]


def loads_of(w: Depthwise, rows: int, columns: int, target: Target) -> float:
    """Vectors that a tile loads: its inputs, and the taps that found no register once per pixel row they are used in.

    The taps are walked row by row. An input row that several of them need is loaded once, as far as registers can hold
    it meanwhile; what they cannot is loaded, or spilled and reloaded, for each.
    """
    window, free = w.window, target.vector_registers - rows * columns - 2
    width = window.reach(1, columns)
    needs = Counter(
        row * window.stride[0] + ky * window.dilation[0] for row in range(rows) for ky in range(window.size[0])
    )
    once, again = width * len(needs), width * (needs.total() - len(needs))
    shared = width * sum(count > 1 for count in needs.values())

    def loads(held: int) -> float:
        homeless = max(0, math.prod(window.size) - (free - held))
        return once + again * (1 - held / max(1, shared)) + rows * homeless

    return min(loads(held) for held in range(min(shared, free) + 1))


def pack(w: Depthwise, weight: Array, bias: Array) -> list[Array]:
    """ONNX weights [channels, 1, kh, kw] and bias -> [blocks, kh, kw, lanes] and [blocks, lanes]."""
    blocks, lanes, channels = w.y.blocks, w.y.lanes, w.y.channels
    packed = np.zeros((blocks * lanes, *w.window.size), w.y.dtype)
    packed[:channels] = weight[:, 0]
    padded_bias = np.zeros(blocks * lanes, w.y.dtype)
    padded_bias[:channels] = bias
    by_lane = packed.reshape(blocks, lanes, *w.window.size).transpose(0, 2, 3, 1)
    return [np.ascontiguousarray(by_lane), padded_bias.reshape(blocks, lanes)]


def compute(w: Depthwise, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X, W, B[, R] and output Y[block, row, column, lane]."""
    blocks, lanes = w.y.blocks, w.y.lanes
    x = placeholder(w.x, "X")
    weight = te.placeholder((blocks, *w.window.size, lanes), name="W", dtype=w.y.dtype)
    bias = te.placeholder((blocks, lanes), name="B", dtype=w.y.dtype)
    arguments = [x, weight, bias]
    ky, kx = te.reduce_axis((0, w.window.size[0]), "ky"), te.reduce_axis((0, w.window.size[1]), "kx")
    (sy, sx), (dy, dx) = w.window.stride, w.window.dilation
    top, left = w.x.halo.top - w.window.pad[0], w.x.halo.left - w.window.pad[1]

    def product(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        pixel = x[b, row * sy + ky * dy + top, column * sx + kx * dx + left, c]
        return te.sum(as_dtype(pixel, w.y.dtype) * weight[block_of(w.x, b), ky, kx, c], axis=[ky, kx])

    shape = (w.y.planes, round_up(w.y.height, tile.rows), round_up(w.y.width, tile.columns), lanes)
    acc = te.compute(shape, product, name="acc")
    if w.residual is not None:
        residual = placeholder(w.residual, "R")
        arguments.append(residual)

    def finish(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        value = acc(b, row, column, c)
        if w.residual is None:
            return w.epilogue(value, None)
        return w.epilogue(value, residual[b, row + w.residual.halo.top, column + w.residual.halo.left, c])

    y = te.compute((w.y.planes, w.y.height, w.y.width, lanes), finish, name="Y")
    return start_sums_at(te.create_prim_func([*arguments, y]), "acc", parameter=2, images=w.y.images)


def schedule(sch: s_tir.Schedule, tile: Tile, ahead: bool) -> None:
    """One item is a band of rows of one channel block; along it, register tile after register tile."""
    acc, y = sch.get_sblock("acc"), sch.get_sblock("Y")
    block, row, column, c, ky, kx = sch.get_loops(acc)
    row_o, row_i = sch.split(row, [None, tile.rows])
    column_o, column_i = sch.split(column, [None, tile.columns])
    sch.reorder(block, row_o, column_o, ky, kx, row_i, column_i, c)
    item = sch.fuse(block, row_o)
    sch.parallel(item)
    unroll_all(sch, [ky, kx, row_i, column_i])
    sch.vectorize(c)
    sch.reverse_compute_at(y, column_o)
    if ahead:
        sch.annotate(sch.get_loops(y)[-2], STORES_AHEAD, True)
    unroll_and_vectorize(sch, sch.get_loops(y)[2:])
    initialise_before(sch, acc, ky)


def build(w: Depthwise, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile, stores_ahead(w.x, w.y, target))
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
