"""What a convolution does to its accumulators before it stores them: bias, residual, activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tvm import tirx

from separable.schedules.kernel import as_dtype
from separable.schedules.math import exp, hard_sigmoid, like, maximum, minimum, select, sigmoid, tanh

Expr: TypeAlias = tirx.Expr


@dataclass(frozen=True)
class Activation:
    """An elementwise function of one value, by name, with its constants."""

    name: str
    parameters: tuple[float, ...] = ()

    def __call__(self, x: Expr) -> Expr:
        """The TIR expression of this function applied to ``x``; what takes a polynomial is computed in float32."""
        dtype = str(x.ty.dtype)
        if dtype == "float16" and self.name not in _IN_FLOAT16:
            x = x.astype("float32")
        return as_dtype(ACTIVATIONS[self.name](x, *self.parameters), dtype)

    def __str__(self) -> str:
        arguments = ", ".join(f"{value:g}" for value in self.parameters)
        return f"{self.name}({arguments})" if arguments else self.name


ACTIVATIONS: dict[str, Callable[..., Expr]] = {
    "relu": lambda x: maximum(x, 0.0),
    "clip": lambda x, low, high: minimum(maximum(x, low), high),
    "leaky_relu": lambda x, slope: select(x > like(0.0, x), x, x * like(slope, x)),
    "sigmoid": sigmoid,
    "tanh": tanh,
    "silu": lambda x: x * sigmoid(x),
    "hard_sigmoid": hard_sigmoid,
    "hard_swish": lambda x: x * hard_sigmoid(x, 1.0 / 6.0, 0.5),
    "exp": exp,
    "sqrt": tirx.sqrt,
    "abs": lambda x: maximum(x, 0.0 - x),
    "negative": lambda x: 0.0 - x,
}

_IN_FLOAT16 = {"relu", "clip", "leaky_relu", "hard_sigmoid", "hard_swish"}


@dataclass(frozen=True)
class Epilogue:
    """``activation(accumulator + bias + residual)``; the bias is always there (zeros cost nothing)."""

    residual: bool = False
    activation: Activation | None = None

    def __call__(self, value: Expr, residual: Expr | None) -> Expr:
        """Apply to an accumulator that holds the bias already."""
        if residual is not None:
            value = value + residual
        return self.activation(value) if self.activation is not None else value

    def __str__(self) -> str:
        parts = ["bias", *(["residual"] if self.residual else [])]
        return "+".join([*parts, *([str(self.activation)] if self.activation else [])])
