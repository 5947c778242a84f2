"""Maximum and average pooling on blocked images, the running values of several pixels in registers.

    max: Y[b, y, x, c] = max over taps inside the image of  X[b, y*s + ky*d - pad, x*s + kx*d - pad, c]
    avg: Y[b, y, x, c] = sum over taps inside the image of the same, divided by their number or by that of all taps

A tap outside of the image reads the image's nearest pixel, whatever the halo holds. If the window has no gaps it covers
that pixel anyway, and a maximum may see a value twice; otherwise the value is made the neutral element by arithmetic:
TVM would read under a condition without the care that it takes the index to be there for.
"""

from __future__ import annotations

import math
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
from separable.schedules.math import minimum, select
from separable.schedules.workload import Pool
from separable.targets.row import Target


@dataclass(frozen=True)
class Tile:
    """``columns`` output pixels held in registers."""

    columns: int


def default_tile(w: Pool, target: Target) -> Tile:
    """Enough independent pixels to hide the latency of additions, as many as waste least at the end of a row.

    An addition is as late as a multiply-accumulate; more pixels than registers would spill.
    """
    enough = min(target.fma_per_cycle * target.fma_latency, target.vector_registers // 2)
    return Tile(min(range(1, min(enough, w.y.width) + 1), key=lambda n: (round_up(w.y.width, n) / min(n, 4), -n)))


class _Axis:
    """Where the taps along one axis are read, and which of them lie inside of the image."""

    def __init__(self, w: Pool, axis: int, outputs: int) -> None:
        self.taps = w.window.size[axis]
        self.stride, self.dilation, self.pad = w.window.stride[axis], w.window.dilation[axis], w.window.pad[axis]
        self.extent = (w.x.height, w.x.width)[axis]
        self.halo = (w.x.halo.top, w.x.halo.left)[axis]
        self.ends_outside = w.window.reach(axis, outputs) - self.pad > self.extent

    def position(self, output: tirx.Expr, tap: tirx.Expr) -> tirx.Expr:
        """Row or column of the image, possibly outside of it."""
        return output * self.stride + tap * self.dilation - self.pad

    def read(self, output: tirx.Expr, tap: tirx.Expr) -> tirx.Expr:
        """Index in the buffer of the pixel that is nearest to a tap."""
        position = self.position(output, tap)
        if self.pad:
            position = tirx.max(position, 0)
        if self.ends_outside:
            position = tirx.min(position, self.extent - 1)
        return position + self.halo

    def inside(self, output: tirx.Expr, tap: tirx.Expr) -> tirx.Expr:
        """Whether a tap lies inside of the image."""
        position = self.position(output, tap)
        return tirx.all(position >= 0, position < self.extent)

    def count(self, output: tirx.Expr) -> tirx.Expr:
        """Number of taps inside of the image."""
        first = tirx.max(tirx.floordiv(self.pad - output * self.stride + self.dilation - 1, self.dilation), 0)
        last = tirx.floordiv(self.extent - 1 + self.pad - output * self.stride, self.dilation)
        return tirx.min(last, self.taps - 1) - first + 1


_largest = te.comm_reducer(lambda x, y: tirx.max(x, y), lambda dtype: tirx.const(-math.inf, dtype), name="largest")
"""TVM's own maximum starts from the least finite number."""


def compute(w: Pool, tile: Tile) -> tirx.PrimFunc:
    """The kernel's mathematics: input X and output Y[block, row, column, lane]."""
    columns = round_up(w.y.width, tile.columns)
    x = placeholder(w.x, "X")
    vertical, horizontal = _Axis(w, 0, w.y.height), _Axis(w, 1, columns)
    ky, kx = te.reduce_axis((0, w.window.size[0]), "ky"), te.reduce_axis((0, w.window.size[1]), "kx")
    is_max = w.kind == "max"
    dtype = w.x.dtype if is_max else "float32"  # sums of many values need more digits
    leaves_image = any(axis.pad or axis.ends_outside for axis in (vertical, horizontal))
    has_gaps = w.window.dilation != (1, 1)

    def tap(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        value = as_dtype(x[b, vertical.read(row, ky), horizontal.read(column, kx), c].asobject(), dtype)
        inside = tirx.all(vertical.inside(row, ky), horizontal.inside(column, kx))
        if is_max:
            if leaves_image and has_gaps:
                infinity = tirx.const(math.inf, dtype)
                value = minimum(value, select(inside, infinity, -infinity))
            return _largest(value, axis=[ky, kx])
        if leaves_image:
            bits = tirx.reinterpret("int32", value) & -inside.astype("int32")  # times 0 infinity is no number
            value = tirx.reinterpret("float32", bits)
        return te.sum(value, axis=[ky, kx])

    acc = te.compute((w.y.planes, w.y.height, columns, w.y.lanes), tap, name="acc")

    def finish(b: tirx.Var, row: tirx.Var, column: tirx.Var, c: tirx.Var) -> tirx.Expr:
        if is_max:
            return as_dtype(acc[b, row, column, c], w.y.dtype)
        if w.count_include_pad or not leaves_image:
            scale = tirx.const(1.0 / math.prod(w.window.size), dtype)
            return as_dtype(acc[b, row, column, c] * scale, w.y.dtype)
        count = vertical.count(row) * horizontal.count(column)
        return as_dtype(acc[b, row, column, c] * (1.0 / count.astype(dtype)), w.y.dtype)

    y = te.compute((w.y.planes, w.y.height, w.y.width, w.y.lanes), finish, name="Y")
    return te.create_prim_func([x, y])


def schedule(sch: s_tir.Schedule, tile: Tile) -> None:
    """One item is a row of one channel block; along it, one register tile after the other."""
    acc, y = sch.get_sblock("acc"), sch.get_sblock("Y")
    block, row, column, c, ky, kx = sch.get_loops(acc)
    column_o, column_i = sch.split(column, [None, tile.columns])
    sch.reorder(block, row, column_o, ky, kx, column_i, c)
    sch.parallel(sch.fuse(block, row))
    unroll_and_vectorize(sch, [column_i, c])
    sch.reverse_compute_at(y, column_o)
    unroll_and_vectorize(sch, sch.get_loops(y)[2:])
    initialise_before(sch, acc, ky)


def build(w: Pool, target: Target, tile: Tile | None = None) -> Kernel:
    """The scheduled kernel of a workload."""
    tile = tile or default_tile(w, target)
    sch = s_tir.Schedule(compute(w, tile))
    schedule(sch, tile)
    return Kernel(sch.mod["main"], w.y.shape, into_halo(w.y), tile)
