"""``store => ask for the line of a store to come, to write to it; store``.

A line that is written must first be this core's own, and wherever another core used that memory for another image, that
takes as long as to read from it: on CPUs with several last caches longer than from memory. A core has few stores under
way, but many requests. Kernels that compute much between two stores need none of this.
"""

from __future__ import annotations

import tvm_ffi
from tvm import tirx

from separable.compiler.emit.prefetch import ask_for
from separable.compiler.emit.rebuilt import rebuilt
from separable.schedules.kernel import STORES_AHEAD
from separable.schedules.tensor import DTYPE_BYTES, LINE_BYTES

_AHEAD_BYTES = 2048
"""How far: 32 lines are under way while one is used. 1.5 and 4 KB were as fast."""


def prefetch_stores(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Add requests, one for each line, to the annotated loops over columns that store vectors to the output."""
    output = func.params[-1]

    def add_request(loop: tirx.For) -> tirx.For:
        if STORES_AHEAD not in loop.annotations:
            return loop
        stores: list[tirx.BufferStore] = []
        tvm_ffi.structural_walk(loop.body, [(tirx.BufferStore, stores.append)])
        (store,) = (store for store in stores if store.buffer.same_as(output))
        shape = [int(dim) for dim in output.ty.shape]
        pixel_bytes = shape[-1] * DTYPE_BYTES[str(output.ty.dtype)]
        pixel: tirx.Expr = tirx.const(0, "int32")
        for index, dim in zip(store.indices[:-1], shape[:-1], strict=True):
            pixel = pixel * dim + index
        request = ask_for(output, (pixel + _AHEAD_BYTES // pixel_bytes) * shape[-1], write=True)
        first_of_line = tirx.floormod(loop.loop_var, max(1, LINE_BYTES // pixel_bytes)) == 0
        once = tirx.IfThenElse(first_of_line, request, None)
        return rebuilt(loop, tirx.SeqStmt([once, loop.body]), STORES_AHEAD)

    return func.with_body(tvm_ffi.structural_map(func.body, [(tirx.For, add_request)]))
