"""What a converter sees: one ONNX node with its operands already in Relax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from separable.compiler._tvm import relax
from separable.compiler.exprs import Array, constant, shape_of

Converter: TypeAlias = "Callable[[Node], relax.Expr | list[relax.Expr]]"


class Refused(Exception):
    """A form of an operator that cannot be compiled; the message says which, and what to do if there is a way."""


@dataclass(frozen=True)
class Node:
    """One ONNX node.

    Attributes:
        op: the ONNX operator's name.
        opset: version of the operator set that the node is written in.
        operands: variables and constants; None for an optional input that is left out.
        attributes: by name; strings are decoded, lists are lists of int, float or str.
        output_shapes: static shapes of the outputs, from ONNX shape inference.
    """

    op: str
    opset: int
    operands: tuple[relax.Expr | None, ...]
    attributes: Mapping[str, Any]
    output_shapes: tuple[tuple[int, ...], ...]

    def has(self, index: int) -> bool:
        """Whether the optional operand ``index`` is there."""
        return index < len(self.operands) and self.operands[index] is not None

    def operand(self, index: int) -> relax.Expr:
        """Operand ``index``, which the operator's schema requires or :meth:`has` has found."""
        return self.operands[index]

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """Static shape of operand ``index``."""
        return shape_of(self.operands[index])

    def constant(self, index: int, role: str) -> Array:
        """Value of operand ``index``, called ``role`` in messages.

        Raises:
            Refused: the operand is computed when the model runs.
        """
        value = constant(self.operands[index])
        if value is None:
            raise Refused(f"{role} must be constant, but {'is' if role[-1] != 's' else 'are'} computed from the input")
        return value

    def setting(self, name: str, index: int) -> Any:
        """A setting that older operator sets keep as attribute ``name``, newer ones as constant operand ``index``.

        Returns a list for 1-D values, a number for scalars, None where it is left out.

        Raises:
            Refused: the operand is computed when the model runs.
        """
        if name in self.attributes:
            return self.attributes[name]
        return self.constant(index, name).tolist() if self.has(index) else None

    def scalar(self, name: str, index: int) -> float | None:
        """Like :meth:`setting`, for a single number; exporters also write it as a tensor of one element."""
        value = self.setting(name, index)
        return float(np.reshape(value, ())) if value is not None else None

    def require_rank(self, rank: int, why: str) -> None:
        """Raise :class:`Refused` unless operand 0 has ``rank`` dimensions; ``why`` names the form in plural."""
        if len(self.shape()) != rank:
            raise Refused(f"{why} take {rank}-D tensors here, but the input is {list(self.shape())}")
