"""``broadcast(x[4q + l]) => shuffle(x[4q : 4q + 4], [l, l, l, l])``: one load for four scalars that lie in one vector.

Arm's multiply-accumulates take one factor from any lane of a vector register. The four channels of a pixel that one
iteration of a reduction reads one after the other are then a single load, which LLVM shares between them, instead of
four; of float16, eight.
"""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import ir, sym, tirx

LANES = {"float32": 4, "float16": 8}
"""Values in a vector register."""


def has_lane_operands(target: tvm.target.Target) -> bool:
    """Whether arithmetic of the target takes a factor from a lane of a vector."""
    return bool(target.attrs.get("feature.is_aarch64"))


def load_whole_vectors(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """Rewrite a function whose buffers are flat and whose loops are unrolled and vectorised."""
    analyzer = sym.Analyzer()

    def rewrite(broadcast: tirx.Broadcast) -> tirx.Expr:
        load = broadcast.value
        if not isinstance(load, ir.TensorLoad) or len(load.indices) != 1:
            return broadcast
        shape, lanes = load.source.ty.shape, LANES.get(str(load.source.ty.dtype), 0)
        if int(broadcast.lanes) != lanes or len(shape) != 1 or int(shape[0]) % lanes:
            return broadcast
        index = load.indices[0]
        position = analyzer.modular_set(index)
        if position.coeff % lanes:
            return broadcast
        lane = position.base % lanes
        vector = tirx.BufferLoad(load.source, [tirx.Ramp(analyzer.simplify(index - lane), 1, lanes)])
        return tirx.Shuffle([vector], [tirx.const(lane, "int32")] * lanes)

    return func.with_body(tvm_ffi.structural_map(func.body, [(tirx.Broadcast, rewrite)]))
