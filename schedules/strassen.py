"""1x1 convolution by one level of Strassen's algorithm in Winograd's form: seven products of half the size, not eight.

Pixels, input channels and output channels are halved; X_hk are the halves' quarters of the image, W_kn of the weights:

    S1 = X21 + X22    S2 = S1 - X11     S3 = X11 - X21    S4 = X12 - S2         V, by schedules/strassen_inputs.py
    T1 = W12 - W11    T2 = W22 - T1     T3 = W22 - W12    T4 = T2 - W21
    P1 = X11 W11   P2 = X12 W21   P3 = S4 W22   P4 = X22 T4   P5 = S1 T1   P6 = S2 T2   P7 = S3 T3
    Y11 = P1 + P2                 Y12 = P1 + P6 + P5 + P3
    Y21 = P1 + P6 + P7 - P4       Y22 = P1 + P6 + P7 + P5

Halves of channels are the blocks of even and of odd index, halves of pixels the first and the last ones; where these
are odd in number, the one in the middle belongs to both and is computed twice, and kept as that of the first half, as
the other one is rounded differently. Weights are packed in the order of use:

    panel of NR pairs of blocks | k half | n half | k | [ v0 v1 .. | v0 v1 .. | .. ]  NR x lanes

An item is a panel: first T, into scratch; then the products in register tiles of MR pixel pairs x NR vectors, and the
outputs from them. Either each register tile takes all products, which stay in L1, and the panel comes from L2; or each
product passes over the whole image with its weights in L1, and the products wait in L2. T is computed at run time, a
few per cent of the layer: stored, it would make the weights 7/4 as large. Threads may share the pixels of an item.

[Strassen, "Gaussian elimination is not optimal", Numerische Mathematik 13, 1969. Winograd's form has 15 additions.]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm import s_tir, te, tirx

from separable.schedules.butterfly import choose
from separable.schedules.kernel import (
    COLUMNS,
    NARROW,
    PREFETCH,
    Array,
    Kernel,
    initialise_before,
    narrow_from,
    placeholder,
    share_in_parts,
    spread,
    unroll_all,
    unroll_and_vectorize,
)
from separable.schedules.math import select
from separable.schedules.register_tile import register_order
from separable.schedules.strassen_inputs import SUMS
from separable.schedules.strassen_tile import PRODUCTS, Tile, decline, default_tile
from separable.schedules.workload import Strassen
from separable.targets.row import Target

_MOST_PARTS, _TILES_PER_PART = 4, 4
"""Parts of an item: they may be computed by different threads, each of which then needs T."""

__all__ = ["Tile", "build", "compute", "decline", "default_tile", "pack", "schedule"]


def pack(w: Strassen, tile: Tile, weight: Array, bias: Array) -> list[Array]:
    """ONNX weights [out, in, 1, 1] and bias [out] -> [panel, k half, n half, k, NR, lanes] and [blocks, lanes]."""
    lanes, vectors = w.y.lanes, tile.vectors
    quarters = weight[:, :, 0, 0].reshape(w.y.blocks // 2 // vectors, vectors, 2, lanes, w.depth // lanes, 2, lanes)
    panels = quarters.transpose(0, 5, 2, 4, 6, 1, 3).reshape(-1, 2, 2, w.depth, vectors, lanes)
    return [np.ascontiguousarray(panels), bias.reshape(-1, lanes)]


def compute(w: Strassen, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X, V, W, B[, R], output Y[n half, block, tile, pixel half, pair, lane]."""
    lanes, blocks, depth = w.y.lanes, w.y.blocks // 2, w.depth
    tiles = -(-w.pairs // tile.columns)
    x = te.placeholder((2 * depth // lanes, 1, w.y.height * w.y.width, lanes), name="X")
    weight = te.placeholder((blocks // tile.vectors, 2, 2, depth, tile.vectors, lanes), name="W")
    v = placeholder(w.x, "V")
    bias = te.placeholder((2 * blocks, lanes), name="B")
    arguments = [x, v, weight, bias]
    k = te.reduce_axis((0, depth), "k")

    def combine(panel: tirx.Var, q: tirx.Var, k: tirx.Var, vector: tirx.Var, c: tirx.Var) -> tirx.Expr:
        w11, w12, w21, w22 = (weight[panel, i, j, k, vector, c] for i in range(2) for j in range(2))
        t1 = w12 - w11
        t2 = w22 - t1
        return choose(q, [t1, t2, w22 - w12, t2 - w21])

    sums = te.compute((blocks // tile.vectors, SUMS, depth, tile.vectors, lanes), combine, name="T")

    def product(p: tirx.Var, co: tirx.Var, t: tirx.Var, i: tirx.Var, c: tirx.Var) -> tirx.Expr:
        block, lane = tirx.floordiv(k, lanes), tirx.floormod(k, lanes)
        pixel = spread(t, tile.columns, w.pairs) + i
        x11, x12 = x[2 * block, 0, pixel, lane], x[2 * block + 1, 0, pixel, lane]
        x22 = x[2 * block + 1, 0, pixel + w.second, lane]
        s1, s2, s3, s4 = (v[q * (depth // lanes) + block, 0, pixel, lane] for q in range(SUMS))
        panel, vector = tirx.floordiv(co, tile.vectors), tirx.floormod(co, tile.vectors)
        w11, _, w21, w22 = (weight[panel, i, j, k, vector, c] for i in range(2) for j in range(2))
        t1, t2, t3, t4 = (sums[panel, q, k, vector, c] for q in range(SUMS))
        left, right = (x11, x12, s4, x22, s1, s2, s3), (w11, w21, w22, t4, t1, t2, t3)
        return te.sum(choose(p, left) * choose(p, right), axis=[k])

    acc = te.compute((PRODUCTS, blocks, tiles, tile.columns, lanes), product, name="acc")
    products = te.compute(acc.shape, lambda *index: acc[index], name="P")
    if w.residual is not None:
        residual = placeholder(w.residual, "R")
        arguments.append(residual)

    def finish(n: tirx.Var, co: tirx.Var, t: tirx.Var, h: tirx.Var, i: tirx.Var, c: tirx.Var) -> tirx.Expr:
        p1, p2, p3, p4, p5, p6, p7 = (products[p, co, t, i, c] for p in range(PRODUCTS))
        u2 = p1 + p6
        u3 = u2 + p7
        top = choose(n, [p1 + p2, u2 + p5 + p3])
        bottom = choose(n, [u3 - p4, u3 + p5])
        block = 2 * co + n
        value = choose(h, [bottom, top]) + bias[block, c]
        if w.residual is None:
            return w.epilogue(value, None)
        row, column = _image_pixel(w, tile, t, h, i)
        halo = w.residual.halo
        return w.epilogue(value, residual[block, row + halo.top, column + halo.left, c])

    y = te.compute((2, blocks, tiles, 2, tile.columns, lanes), finish, name="Y")
    return te.create_prim_func([*arguments, y])


def _image_pixel(w: Strassen, tile: Tile, t: tirx.Expr, h: tirx.Expr, i: tirx.Expr) -> tuple[tirx.Expr, tirx.Expr]:
    """Row and column in the image of one pixel of a pair: the second half's, then the first half's.

    Where the second one of the first pair is the middle of the image, it is put where the first one replaces it at
    once: the middle is the last pair's, which another thread may compute.
    """
    first = spread(t, tile.columns, w.pairs) + i
    second = first + w.second
    if w.second < w.pairs:
        second = select(first == 0, first, second)
    position = choose(h, [second, first])
    return tirx.floordiv(position, w.y.width), tirx.floormod(position, w.y.width)


def schedule(sch: s_tir.Schedule, tile: Tile, pairs: int, lane_operands: bool) -> None:
    """An item is a panel: the sums of its weights, the seven products, and the outputs from them."""
    tiles = -(-pairs // tile.columns)
    narrow = [1, tiles, narrow_from(tile.columns, pairs)]
    parts = max(1, min(_MOST_PARTS, tiles // _TILES_PER_PART))
    sums, acc, products, y = (sch.get_sblock(name) for name in ("T", "acc", "P", "Y"))
    n, co, t, h, i, c = sch.get_loops(y)
    panel, co_i = sch.split(co, [None, tile.vectors])
    sch.reorder(panel, t, i, co_i, h, n, c)
    sch.annotate(t, NARROW, narrow)
    share_in_parts(sch, t, parts)
    sch.annotate(i, COLUMNS, tile.columns)
    sch.parallel(panel)
    unroll_and_vectorize(sch, [co_i, h, n, c])
    # The seven products: each for the whole image, or all for one register tile.
    sch.compute_at(products, panel if tile.products_outer else t, preserve_unit_loops=True)
    p, co, tt, i, c = sch.get_loops(products)[-5:]
    sch.reorder(p, tt, i, co, c)
    if tile.products_outer:
        sch.annotate(tt, NARROW, narrow)
        share_in_parts(sch, tt, parts)
    sch.annotate(i, COLUMNS, tile.columns)
    unroll_and_vectorize(sch, [i, co, c])
    sch.unroll(p)
    sch.compute_at(acc, tt, preserve_unit_loops=True)
    co, _, i, c, k = sch.get_loops(acc)[-5:]
    sch.annotate(i, COLUMNS, tile.columns)
    k_o, k_i = sch.split(k, [None, tile.unroll])
    register_tile = register_order(k_i, [i], co, lane_operands)
    sch.reorder(k_o, *register_tile, c)
    unroll_all(sch, register_tile)
    sch.vectorize(c)
    sch.annotate(k_o, PREFETCH, [int(sch.get(panel).extent), 1])
    sch.compute_at(sums, panel, preserve_unit_loops=True)
    q, k, vector, c = sch.get_loops(sums)[-4:]
    sch.reorder(k, vector, q, c)
    unroll_and_vectorize(sch, [vector, q, c])
    initialise_before(sch, acc, k_o)


def build(w: Strassen, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)

    def store_at(n: tirx.Expr, co: tirx.Expr, *pixel: tirx.Expr) -> Sequence[tirx.Expr]:
        t, h, i, lane = pixel
        row, column = _image_pixel(w, tile, t, h, i)
        return 2 * co + n, row + w.y.halo.top, column + w.y.halo.left, lane

    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile, w.pairs, target.lane_operands)
    return Kernel(sch.mod["main"], w.y.shape, store_at, tile)
