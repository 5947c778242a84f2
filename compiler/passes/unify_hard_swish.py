"""``x·clip(x + 3, 0, 6) / 6 => x·clip(x/6 + 1/2, 0, 1)``, and the same for hard-sigmoid without the leading ``x``.

Exporters write the two in several ways; afterwards both contain ``clip(x·a + b, 0, 1)`` and nothing around it.
"""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import const, constant, is_op
from separable.compiler.graph import Graph, rewrite

op = relax.op


def unify_hard_swish(mod: tvm.IRModule) -> tvm.IRModule:
    """Move the scalar that follows ``clip(x + b, 0, h)`` inside when it makes the upper bound 1."""
    return rewrite(mod, _rule)


def _rule(value: relax.Expr, graph: Graph) -> relax.Expr:
    factor = constant(value.args[1]) if is_op(value, "multiply") else None
    if factor is None or factor.size != 1:
        return value
    scale = float(factor.reshape(()))
    product = graph.definition(value.args[0])
    if is_op(product, "multiply"):
        for x, clipped in (product.args, reversed(product.args)):
            if (gate := _scaled_clip(clipped, scale, graph)) is not None:
                return op.multiply(x, gate)
        return value
    gate = _scaled_clip(value.args[0], scale, graph)
    return value if gate is None else gate


def _scaled_clip(expr: relax.Expr, scale: float, graph: Graph) -> relax.Expr | None:
    clip = graph.definition(expr)
    if not is_op(clip, "clip"):
        return None
    low, high = (float(bound.value) for bound in clip.args[1:])
    shifted = graph.definition(clip.args[0])
    if low != 0 or not np.isclose(high * scale, 1) or not is_op(shifted, "add"):
        return None
    shift = constant(shifted.args[1])
    if shift is None or shift.size != 1:
        return None
    x, a, b = shifted.args[0], np.array(scale, np.float32), (shift.reshape(()) * scale).astype(np.float32)
    return op.clip(op.add(op.multiply(x, const(a)), const(b)), 0.0, 1.0)
