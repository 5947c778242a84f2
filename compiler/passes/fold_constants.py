"""``f(a, b) => c`` for constants, ``(x + a) + b => x + (a + b)``, ``(x·a)·b => x·(a·b)``; constants come second.

Subtracting a constant is adding its negative, dividing by one is multiplying by its reciprocal, as far as the new
constant fits float32. A constant that is no scalar has as many axes as the result: a bias is (1, C, 1, 1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import Array, const, constant, is_op, shape_of
from separable.compiler.graph import Graph, rewrite

op = relax.op

_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "relax.add": np.add,
    "relax.divide": np.divide,
    "relax.maximum": np.maximum,
    "relax.minimum": np.minimum,
    "relax.multiply": np.multiply,
    "relax.power": np.power,
    "relax.subtract": np.subtract,
}
_UNARY: dict[str, Callable[[Array], Array]] = {
    "relax.abs": np.abs,
    "relax.exp": np.exp,
    "relax.log": np.log,
    "relax.negative": np.negative,
    "relax.nn.relu": lambda x: np.maximum(x, 0),
    "relax.sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relax.sqrt": np.sqrt,
    "relax.tanh": np.tanh,
}


def fold_constants(mod: tvm.IRModule) -> tvm.IRModule:
    """Evaluate with numpy what needs no input, and bring arithmetic with constants into one form."""
    # Infinity and NaN in a result are the model's own business.
    with np.errstate(all="ignore"):
        return rewrite(mod, _rule)


def _rule(value: relax.Expr, graph: Graph) -> relax.Expr:
    if not isinstance(value.ty, relax.TensorType) or not isinstance(value, relax.Call):
        return value
    if value.ty.dtype != "float32":
        return value
    rank = len(shape_of(value))
    folded = _evaluate(value)
    if folded is not None:
        return const(folded.astype(np.float32).reshape(shape_of(value)))
    if is_op(value, "add", "multiply", "maximum", "minimum") and constant(value.args[0]) is not None:
        value = relax.Call(value.op, [value.args[1], value.args[0]])
    elif is_op(value, "subtract", "divide") and (right := constant(value.args[1])) is not None:
        operand = -right if is_op(value, "subtract") else _single(1 / right.astype(np.float64))
        if operand is not None:
            value = (op.add if is_op(value, "subtract") else op.multiply)(value.args[0], const(operand))
    return _align(_merge(value, graph), rank)


def _single(double: Array) -> Array | None:
    """Numbers in float32; None where one is too large for it, or so small that it becomes zero."""
    single = double.astype(np.float32)
    lost = (np.isinf(single) & np.isfinite(double)) | ((single == 0) & (double != 0))
    return None if lost.any() else single


def _align(value: relax.Call, rank: int) -> relax.Call:
    """Write a constant that broadcasts with all its axes, so that a bias is (1, C, 1, 1); scalars stay scalars."""
    array = constant(value.args[1]) if value.op.name in _BINARY else None
    if array is None or array.size == 1 or array.ndim == rank:
        return value
    return relax.Call(value.op, [value.args[0], const(array.reshape((1,) * (rank - array.ndim) + array.shape))])


def _evaluate(value: relax.Call) -> Array | None:
    arrays = [constant(arg) for arg in value.args]
    known = [array.astype(np.float64) for array in arrays if array is not None]
    if value.op.name in _BINARY and len(known) == 2:
        return _BINARY[value.op.name](*known)
    if value.op.name in _UNARY and known:
        return _UNARY[value.op.name](*known)
    if is_op(value, "reshape") and known:
        return known[0]
    if is_op(value, "permute_dims") and known:
        return known[0].transpose([int(axis) for axis in value.attrs.axes])
    return None


def _merge(value: relax.Call, graph: Graph) -> relax.Expr:
    outer = constant(value.args[1]) if is_op(value, "add", "multiply") else None
    inner = graph.definition(value.args[0])
    if outer is None or not isinstance(inner, relax.Call) or inner.op != value.op:
        return value
    constant_inside = constant(inner.args[1])
    if constant_inside is None:
        return value
    merged = _single(_BINARY[value.op.name](constant_inside.astype(np.float64), outer.astype(np.float64)))
    return value if merged is None else relax.Call(value.op, [inner.args[0], const(merged)])
