"""Dense 3x3 convolution by Winograd's minimal filtering F(m x m, 3 x 3): fewer products, more additions.

    U[i, j, k, c]      = G W G^T                                                    packed at compile time
    V[i, j, p, k]      = B^T X[p] B       the (m + 2) x (m + 2) pixels of image tile p; neighbours overlap by 2
    M[i, j, co, p, c]  = sum over k of  V[i, j, p, k] * U[i, j, k, co, c]           (m + 2)^2 small GEMMs
    Y[co, p, c]        = epilogue(A^T M A + bias)                                   m x m pixels

An item is a group of tiles and of output channels: first V of all input channels, into scratch; then, panel by panel of
NR channel vectors, M into scratch and Y from it. The products have a register tile of MR image tiles x NR vectors, V is
read one scalar at a time and broadcast, U is packed in the order of use:

    panel of NR vectors | i | j | k | [ v0 v1 .. | v0 v1 .. | .. ]  NR x lanes
"""

from __future__ import annotations

import numpy as np
from tvm import s_tir, te, tirx

from separable.schedules.butterfly import choose, input_row, output_row
from separable.schedules.kernel import (
    Array,
    Kernel,
    initialise_before,
    into_halo,
    placeholder,
    round_up,
    unroll_all,
    unroll_and_vectorize,
)
from separable.schedules.register_tile import register_order
from separable.schedules.toom_cook import POINTS, transforms
from separable.schedules.winograd_tile import Tile, decline, default_tile, grid
from separable.schedules.workload import Winograd
from separable.targets.row import Target

__all__ = ["Tile", "build", "compute", "decline", "default_tile", "pack", "schedule"]


def pack(w: Winograd, tile: Tile, weight: Array, bias: Array) -> list[Array]:
    """ONNX weights [out, in, 3, 3] and bias [out] -> U[panel, i, j, k, NR, lanes] and [blocks, lanes].

    Transformed in float64 and then rounded.
    """
    lanes, panel = w.y.lanes, tile.vectors * w.y.lanes
    matrix = np.array(transforms(tile.outputs, POINTS[tile.outputs]).filters, np.float64)
    transformed = np.einsum("iy,ocyx,jx->ijco", matrix, weight.astype(np.float64), matrix)
    channels = round_up(w.y.channels, panel)
    padded = np.zeros((*transformed.shape[:3], channels), np.float32)
    padded[..., : w.y.channels] = transformed
    panels = padded.reshape(*transformed.shape[:3], channels // panel, tile.vectors, lanes).transpose(3, 0, 1, 2, 4, 5)
    padded_bias = np.zeros(w.y.blocks * lanes, np.float32)
    padded_bias[: w.y.channels] = bias
    return [np.ascontiguousarray(panels), padded_bias.reshape(-1, lanes)]


def compute(w: Winograd, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: inputs X, U, B[, R] and output Y[block, row, column, lane]."""
    lanes, blocks, m = w.y.lanes, w.y.blocks, tile.outputs
    size = m + 2
    matrices = transforms(m, POINTS[m])
    tile_rows, tile_columns = grid(w, m)
    count = tile_rows * tile_columns
    padded_count = round_up(count, tile.tiles)
    panels = -(-blocks // tile.vectors)
    x = placeholder(w.x, "X")
    weight = te.placeholder((panels, size, size, w.x.channels, tile.vectors, lanes), name="U")
    bias = te.placeholder((blocks, lanes), name="B")
    arguments = [x, weight, bias]
    top, left = w.x.halo.top - w.window.pad[0], w.x.halo.left - w.window.pad[1]

    def clamped(index: tirx.Expr, largest: int, extent: int) -> tirx.Expr:
        """Tiles that stick out read the last row or column of the buffer again: finite, and cancelled in what stays."""
        return tirx.min(index, extent - 1) if largest >= extent else index

    def pixels(p: tirx.Expr, block: tirx.Expr, j: tirx.Expr, c: tirx.Expr) -> list[tirx.Expr]:
        p = clamped(p, padded_count - 1, count)
        row, column = tirx.floordiv(p, tile_columns) * m + top, tirx.floormod(p, tile_columns) * m + left + j
        column = clamped(column, (tile_columns - 1) * m + left + size - 1, w.x.shape[2])
        return [x[block, clamped(row + i, (tile_rows - 1) * m + top + i, w.x.shape[1]), column, c] for i in range(size)]

    def by_rows(p: tirx.Var, block: tirx.Var, i: tirx.Var, j: tirx.Var, c: tirx.Var) -> tirx.Expr:
        terms = pixels(p, block, j, c)
        return choose(i, [input_row(row, terms) for row in matrices.inputs])

    def by_columns(i: tirx.Var, j: tirx.Var, p: tirx.Var, block: tirx.Var, c: tirx.Var) -> tirx.Expr:
        terms = [rows[p, block, i, column, c] for column in range(size)]
        return choose(j, [input_row(row, terms) for row in matrices.inputs])

    k = te.reduce_axis((0, w.x.channels), "k")

    def product(i: tirx.Var, j: tirx.Var, co: tirx.Var, p: tirx.Var, c: tirx.Var) -> tirx.Expr:
        panel, vector = tirx.floordiv(co, tile.vectors), tirx.floormod(co, tile.vectors)
        pixel = v[i, j, p, tirx.floordiv(k, lanes), tirx.floormod(k, lanes)]
        return te.sum(pixel * weight[panel, i, j, k, vector, c], axis=[k])

    def back_rows(p: tirx.Var, co: tirx.Var, i: tirx.Var, j: tirx.Var, c: tirx.Var) -> tirx.Expr:
        terms = [products[row, j, co, p, c] for row in range(size)]
        return choose(i, [output_row(row, terms) for row in matrices.outputs])

    def back_columns(p: tirx.Var, co: tirx.Var, i: tirx.Var, j: tirx.Var, c: tirx.Var) -> tirx.Expr:
        terms = [half[p, co, i, column, c] for column in range(size)]
        return choose(j, [output_row(row, terms) for row in matrices.outputs])

    rows = te.compute((padded_count, w.x.blocks, size, size, lanes), by_rows, name="rows")
    v = te.compute((size, size, padded_count, w.x.blocks, lanes), by_columns, name="V")
    acc = te.compute((size, size, panels * tile.vectors, padded_count, lanes), product, name="acc")
    products = te.compute(acc.shape, lambda *index: acc[index], name="M")
    half = te.compute((padded_count, panels * tile.vectors, m, size, lanes), back_rows, name="half")
    outputs = te.compute((padded_count, panels * tile.vectors, m, m, lanes), back_columns, name="outputs")
    if w.residual is not None:
        residual = placeholder(w.residual, "R")
        arguments.append(residual)

    def finish(co: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        p = tirx.floordiv(row, m) * tile_columns + tirx.floordiv(column, m)
        value = outputs[p, co, tirx.floormod(row, m), tirx.floormod(column, m), c] + bias[co, c]
        if w.residual is None:
            return w.epilogue(value, None)
        return w.epilogue(value, residual[co, row + w.residual.halo.top, column + w.residual.halo.left, c])

    y = te.compute((blocks, w.y.height, w.y.width, lanes), finish, name="Y")
    return te.create_prim_func([*arguments, y])


def schedule(sch: s_tir.Schedule, tile: Tile, lane_operands: bool) -> None:
    """One item: transform the inputs of a group of tiles; for each panel multiply, transform back, finish."""
    names = ("rows", "V", "acc", "M", "half", "outputs", "Y")
    rows, v, acc, products, half, outputs, y = (sch.get_sblock(name) for name in names)
    # Walk over image tiles instead of rows and columns; those that stick out are cut off here, at the store.
    co, row, column, c = sch.get_loops(y)
    row_o, row_i = sch.split(row, [None, tile.outputs])
    column_o, column_i = sch.split(column, [None, tile.outputs])
    group, panel, co_i = sch.split(co, [None, tile.panels, tile.vectors])
    sch.reorder(group, row_o, column_o, panel, co_i, row_i, column_i, c)
    tiles, p = sch.split(sch.fuse(row_o, column_o), [None, tile.tiles])
    sch.reorder(group, tiles, panel, p, co_i)
    item = sch.fuse(group, tiles)
    sch.parallel(item)
    unroll_and_vectorize(sch, [row_i, column_i, c])
    # Back from the products: one image tile of one channel vector at a time, in registers.
    sch.compute_at(outputs, co_i, preserve_unit_loops=True)
    unroll_and_vectorize(sch, sch.get_loops(outputs)[-3:])
    sch.compute_at(half, co_i, preserve_unit_loops=True)
    i, j, c = sch.get_loops(half)[-3:]
    sch.reorder(j, i)
    unroll_and_vectorize(sch, [j, i, c])
    # The products of a panel.
    sch.compute_at(products, panel, preserve_unit_loops=True)
    i, j, co, p, c = sch.get_loops(products)[-5:]
    p_o, p_i = sch.split(p, [None, tile.columns])
    sch.reorder(i, j, p_o, p_i, co, c)
    unroll_and_vectorize(sch, [p_i, co, c])
    sch.compute_at(acc, p_o, preserve_unit_loops=True)
    co, p, c, k = sch.get_loops(acc)[-4:]
    k_o, k_i = sch.split(k, [None, tile.unroll])
    register_tile = register_order(k_i, [p], co, lane_operands)
    sch.reorder(k_o, *register_tile, c)
    unroll_all(sch, register_tile)
    sch.vectorize(c)
    # The transformed inputs. Tiles of V an odd number of vectors apart: the products read one element of each of a few
    # tiles, which must not fall into the same set of the cache.
    sch.compute_at(v, item, preserve_unit_loops=True)
    i, j, p, block, c = sch.get_loops(v)[-5:]
    sch.reorder(block, p, i, j, c)
    lanes = int(sch.get(c).extent)
    unroll_and_vectorize(sch, [i, j, c])
    sch.storage_align(v, 0, axis=2, factor=2 * lanes, offset=lanes)
    sch.compute_at(rows, p, preserve_unit_loops=True)
    i, j, c = sch.get_loops(rows)[-3:]
    sch.reorder(j, i)
    unroll_and_vectorize(sch, [j, i, c])
    initialise_before(sch, acc, k_o)


def build(w: Winograd, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile, target.lane_operands)
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
