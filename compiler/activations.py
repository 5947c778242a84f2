"""Which activation a Relax expression is, also when the model spells it out in several operators."""

from __future__ import annotations

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import constant, is_op
from separable.compiler.graph import Graph
from separable.schedules.epilogue import Activation

_UNARY = {
    "nn.relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "exp": "exp",
    "sqrt": "sqrt",
    "abs": "abs",
    "negative": "negative",
}


def match_activation(value: relax.Expr, graph: Graph) -> tuple[relax.Expr, Activation] | None:
    """``value`` as an activation of another expression, or None.

    ``x·sigmoid(x) => silu(x)``, ``clip(x·a + b, 0, 1) => hard_sigmoid(x)``, ``x·hard_sigmoid(x) => hard_swish(x)``.
    """
    if not isinstance(value, relax.Call):
        return None
    name = value.op.name.removeprefix("relax.")
    if name in _UNARY:
        return value.args[0], Activation(_UNARY[name])
    if name == "nn.leakyrelu":
        return value.args[0], Activation("leaky_relu", (float(value.attrs.alpha),))
    if name == "clip":
        return _match_clip(value, graph)
    if name == "multiply":
        return _match_gate(value, graph)
    return None


def _match_clip(value: relax.Call, graph: Graph) -> tuple[relax.Expr, Activation]:
    low, high = (float(bound.value) for bound in value.args[1:3])
    if (low, high) == (0.0, 1.0):
        total = graph.definition(value.args[0])
        offset = _scalar(total.args[1]) if is_op(total, "add") else None
        product = graph.definition(total.args[0]) if offset is not None and is_op(total, "add") else None
        slope = _scalar(product.args[1]) if is_op(product, "multiply") else None
        if offset is not None and slope is not None and is_op(product, "multiply"):
            return product.args[0], Activation("hard_sigmoid", (slope, offset))
    return value.args[0], Activation("clip", (low, high))


def _match_gate(value: relax.Call, graph: Graph) -> tuple[relax.Expr, Activation] | None:
    for x, gate in (value.args, tuple(reversed(value.args))):
        definition = graph.definition(gate)
        matched = match_activation(definition, graph) if is_op(definition, "sigmoid", "clip") else None
        if matched is None or not matched[0].same_as(x):
            continue
        activation = matched[1]
        if activation.name == "sigmoid":
            return x, Activation("silu")
        if activation.name == "hard_sigmoid" and np.allclose(activation.parameters, (1 / 6, 0.5)):
            return x, Activation("hard_swish")
    return None


def _scalar(expr: relax.Expr) -> float | None:
    value = constant(expr)
    return float(value.reshape(())) if value is not None and value.size == 1 else None
