"""Reading and writing single Relax expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from separable.compiler._tvm import relax, tvm

Array: TypeAlias = npt.NDArray[Any]


def substitute(value: relax.Expr, replacements: dict[relax.Expr, relax.Expr]) -> relax.Expr:
    """Replace operands of one operation, also those inside a tuple operand (``concat``)."""
    if not any(expr in replacements for expr in operands(value)):
        return value

    def replace(expr: relax.Expr) -> relax.Expr:
        if isinstance(expr, relax.Tuple):
            return relax.Tuple([replace(item) for item in expr.fields])
        return replacements.get(expr, expr)

    if isinstance(value, relax.TupleGetItem):
        return relax.TupleGetItem(replace(value.tuple_value), value.index)
    return relax.Call(value.op, [replace(arg) for arg in value.args], value.attrs, value.ty_args)


def is_op(expr: relax.Expr | None, *names: str) -> TypeGuard[relax.Call]:
    """Whether ``expr`` is a call of one of these operators, named without their ``relax.`` prefix."""
    return isinstance(expr, relax.Call) and expr.op.name.removeprefix("relax.") in names


def constant(expr: relax.Expr | None) -> Array | None:
    """The value of a constant, None for everything else."""
    if not isinstance(expr, tvm.ir.GenericConst):
        return None
    value: Array = expr.value.numpy()
    return value


def const(array: Array) -> relax.Expr:
    """A constant in the dtype and shape of ``array``."""
    return relax.const(np.ascontiguousarray(array).reshape(array.shape), str(array.dtype))


def scalar(value: float) -> relax.Expr:
    """A float32 constant without axes."""
    return const(np.array(value, np.float32))


def shape_of(expr: relax.Expr) -> tuple[int, ...]:
    """The static shape of a tensor-valued variable or constant."""
    return tuple(int(dim) for dim in expr.ty.shape.values)


def dtype_of(expr: relax.Expr) -> str:
    """The element type of a tensor-valued variable or constant."""
    return str(expr.ty.dtype)


def per_channel(expr: relax.Expr, shape: tuple[int, ...]) -> Array | None:
    """A constant as float64 (C,), one value per channel (axis 1) of a tensor of ``shape`` that it is broadcast to.

    None if it is no constant, varies along another axis, or the tensor has no channels.
    """
    value = constant(expr)
    if value is None or value.ndim > len(shape) or len(shape) < 2:
        return None
    aligned = (1,) * (len(shape) - value.ndim) + value.shape
    if any(size != 1 for axis, size in enumerate(aligned) if axis != 1):
        return None
    return np.broadcast_to(value.reshape(-1).astype(np.float64), (shape[1],))


def identifier(name: str) -> str:
    """``name`` as an identifier: other characters become ``_``, and a leading digit gets one in front."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "node"
    return f"_{plain}" if plain[0].isdigit() else plain


def is_operation(expr: relax.Expr) -> bool:
    """Whether ``expr`` computes something, other than a variable, a constant or a tuple of these."""
    return isinstance(expr, relax.Call | relax.TupleGetItem)


def operands(value: relax.Expr) -> Iterator[relax.Expr]:
    """Operands of one operation; a tuple operand (``concat``) counts as its fields."""
    if isinstance(value, relax.TupleGetItem):
        yield value.tuple_value
    elif isinstance(value, relax.Call):
        yield from _flatten(value.args)


def _flatten(exprs: Iterable[relax.Expr]) -> Iterator[relax.Expr]:
    for expr in exprs:
        if isinstance(expr, relax.Tuple):
            yield from expr.fields
        else:
            yield expr
