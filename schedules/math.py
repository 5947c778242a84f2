"""Elementary functions as TIR expressions that vectorise: no call into libm remains in an inner loop."""

from __future__ import annotations

from typing import TypeAlias

from tvm import tirx

Expr: TypeAlias = tirx.Expr

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4  # Cody and Waite: the high part has few bits, n * high is exact
_EXP_COEFFICIENTS = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
"""Minimax polynomial of (exp(r) - 1 - r) / r² on [-ln2/2, ln2/2]: Cephes, expf.c."""
_EXP_MIN, _EXP_MAX = -87.3, 89.0  # what is below is 0, what is above infinite


def like(value: float, x: Expr) -> Expr:
    """A constant of the dtype of ``x``."""
    return tirx.const(value, str(x.ty.dtype))


def maximum(x: Expr, y: Expr | float) -> Expr:
    """The larger of two values; NaN if ``x`` is, which second operands give (``compiler/emit/keep_nan.py``)."""
    return tirx.max(like(y, x) if isinstance(y, (int, float)) else y, x)


def minimum(x: Expr, y: Expr | float) -> Expr:
    """The smaller of two values; NaN if ``x`` is, as above."""
    return tirx.min(like(y, x) if isinstance(y, (int, float)) else y, x)


def select(condition: Expr, x: Expr, y: Expr) -> Expr:
    """``x`` where the condition holds, else ``y``, without a branch."""
    return tirx.Select(condition, x, y)


def exp(x: Expr) -> Expr:
    """``e^x`` in float32, relative error below 2e-7; 0 where it is below 2^-125."""
    x = minimum(maximum(x, _EXP_MIN), _EXP_MAX)
    n = tirx.floor(x * _LOG2_E + 0.5)
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    polynomial: Expr = like(_EXP_COEFFICIENTS[0], x)
    for coefficient in _EXP_COEFFICIENTS[1:]:
        polynomial = polynomial * r + coefficient
    mantissa = polynomial * r * r + r + 1.0
    # Half of the power: 2^128 is none of float32, though smaller multiples of it are. 2^-127 becomes 0.
    half = tirx.reinterpret("float32", (n.astype("int32") + 126) << 23)
    return mantissa * 2.0 * half


def sigmoid(x: Expr) -> Expr:
    """``1 / (1 + e^-x)``."""
    return 1.0 / (1.0 + exp(like(0.0, x) - x))


def tanh(x: Expr) -> Expr:
    """``1 - 2 / (e^2x + 1)``; near zero, where that cancels, the odd polynomial ``x - x³/3 + 2x⁵/15 - 17x⁷/315``."""
    square = x * x
    series = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0))))
    return select(square < 0.0225, series, 1.0 - 2.0 / (exp(x + x) + 1.0))


def hard_sigmoid(x: Expr, slope: float, offset: float) -> Expr:
    """``min(max(slope * x + offset, 0), 1)``."""
    return minimum(maximum(x * like(slope, x) + like(offset, x), 0.0), 1.0)


def power(x: Expr, exponent: float) -> Expr:
    """``x^exponent`` for x >= 0, by square roots for the exponents that networks have."""
    if exponent == 1.0:
        return x
    if exponent not in (0.5, 0.75):
        return tirx.pow(x, like(exponent, x))
    root = tirx.sqrt(x)
    return root if exponent == 0.5 else root * tirx.sqrt(root)
