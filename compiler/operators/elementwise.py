"""Element by element: activations, arithmetic with numpy broadcasting, and operators that do nothing in inference."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
from onnx import helper

from separable.compiler._tvm import relax
from separable.compiler.exprs import const, constant, dtype_of, scalar
from separable.compiler.operators.node import Converter, Node, Refused

op = relax.op


def _unary(function: Callable[[relax.Expr], relax.Expr]) -> Converter:
    return lambda node: function(node.operand(0))


def _variadic(function: Callable[[relax.Expr, relax.Expr], relax.Expr]) -> Converter:
    return lambda node: reduce(function, node.operands)


def _clip(node: Node) -> relax.Expr:
    """Constant bounds."""
    low, high = node.scalar("min", 1), node.scalar("max", 2)
    x = node.operand(0)
    # ONNX reads a NaN bound as none.
    low = -np.inf if low is None or np.isnan(low) else low
    high = np.inf if high is None or np.isnan(high) else high
    if high == np.inf:
        if low == 0:
            return op.nn.relu(x)
        return x if low == -np.inf else op.maximum(x, scalar(low))
    if -np.inf in (low, high):
        return op.minimum(x, scalar(high))
    # Where the bounds cross, the upper one wins.
    return op.clip(x, min(low, high), high)


def _leaky_relu(node: Node) -> relax.Expr:
    return op.nn.leakyrelu(node.operand(0), node.attributes.get("alpha", 0.01))


def _prelu(node: Node) -> relax.Expr:
    """Constant slope: one number, or one for each channel."""
    slope = node.constant(1, "the slope")
    if slope.size == 1:
        return op.nn.leakyrelu(node.operand(0), float(slope.reshape(())))
    shape = node.shape()
    aligned = (1,) * (len(shape) - slope.ndim) + slope.shape
    if len(shape) < 2 or aligned != (1, shape[1]) + (1,) * (len(shape) - 2):
        raise Refused(f"the slope must be one number per channel, but has shape {list(slope.shape)}")
    return op.nn.prelu(node.operand(0), const(slope.reshape(-1)), axis=1)


def _hard_sigmoid_of(x: relax.Expr, alpha: float, beta: float) -> relax.Expr:
    return op.clip(op.add(op.multiply(x, scalar(alpha)), scalar(beta)), 0.0, 1.0)


def _hard_sigmoid(node: Node) -> relax.Expr:
    return _hard_sigmoid_of(node.operand(0), node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5))


def _hard_swish(node: Node) -> relax.Expr:
    return op.multiply(node.operand(0), _hard_sigmoid_of(node.operand(0), 1 / 6, 0.5))


def _elu(node: Node) -> relax.Expr:
    # max(x, 0) + alpha * min(exp(x) - 1, 0): the second term is zero wherever x is positive.
    x, alpha = node.operand(0), node.attributes.get("alpha", 1.0)
    negative = op.minimum(op.subtract(op.exp(op.minimum(x, scalar(0))), scalar(1)), scalar(0))
    return op.add(op.nn.relu(x), op.multiply(negative, scalar(alpha)))


def _softplus(node: Node) -> relax.Expr:
    # max(x, 0) + log(1 + u), u = exp(-|x|): exp never overflows. For small u, where 1 + u loses digits, the bounds
    # 2u / (2 + u) <= log(1 + u) <= u / sqrt(1 + u) are closer to each other than the logarithm is to its value.
    x = node.operand(0)
    u = op.exp(op.negative(op.abs(x)))
    low = op.divide(u, op.add(op.multiply(u, scalar(0.5)), scalar(1)))
    high = op.divide(u, op.sqrt(op.add(u, scalar(1))))
    return op.add(op.nn.relu(x), op.minimum(op.maximum(op.log(op.add(u, scalar(1))), low), high))


def _reciprocal(node: Node) -> relax.Expr:
    return op.divide(scalar(1), node.operand(0))


def _power(node: Node) -> relax.Expr:
    base, exponent = node.operand(0), constant(node.operand(1))
    # The exponent may be of another type, the result is always of the base's.
    return op.power(base, node.operand(1) if exponent is None else const(exponent.astype(dtype_of(base))))


def _cast(node: Node) -> relax.Expr:
    dtype = str(helper.tensor_dtype_to_np_dtype(node.attributes["to"]))
    return node.operand(0) if dtype == dtype_of(node.operand(0)) else op.astype(node.operand(0), dtype)


def _div(node: Node) -> relax.Expr:
    """Integers by constants above zero."""
    if dtype_of(node.operand(0)) != "float32":
        _require_positive_divisor(node)
    return op.divide(node.operand(0), node.operand(1))


def _mod(node: Node) -> relax.Expr:
    """Of integers, by constants above zero."""
    if dtype_of(node.operand(0)) == "float32" or node.attributes.get("fmod", 0):
        raise Refused("only the remainder of integers with the divisor's sign is supported (fmod=0)")
    _require_positive_divisor(node)
    return op.floor_mod(node.operand(0), node.operand(1))


def _require_positive_divisor(node: Node) -> None:
    # Others could stop the process: zero, and -1 where the dividend is the lowest integer.
    if not (node.constant(1, "the divisor of integers") > 0).all():
        raise Refused("integers are divided by positive numbers only")


def _dropout(node: Node) -> relax.Expr:
    """In inference mode."""
    if len(node.output_shapes) > 1:
        raise Refused("its mask is used, so it is in training mode; export the model with model.eval()")
    if node.has(2) and node.constant(2, "training_mode").any():
        raise Refused("it is in training mode; export the model with model.eval()")
    return node.operand(0)


CONVERTERS: dict[str, Converter] = {
    "Abs": _unary(op.abs),
    "Add": _variadic(op.add),
    "Cast": _cast,
    "Clip": _clip,
    "Div": _div,
    "Dropout": _dropout,
    "Elu": _elu,
    "Exp": _unary(op.exp),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Identity": _unary(lambda x: x),
    "LeakyRelu": _leaky_relu,
    "Log": _unary(op.log),
    "Max": _variadic(op.maximum),
    "Min": _variadic(op.minimum),
    "Mod": _mod,
    "Mul": _variadic(op.multiply),
    "Neg": _unary(op.negative),
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": _reciprocal,
    "Relu": _unary(op.nn.relu),
    "Sigmoid": _unary(op.sigmoid),
    "Sign": _unary(op.sign),
    "Softplus": _softplus,
    "Sqrt": _unary(op.sqrt),
    "Sub": _variadic(op.subtract),
    "Sum": _variadic(op.add),
    "Tanh": _unary(op.tanh),
}
