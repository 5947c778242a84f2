"""How each ONNX operator is written in Relax: one converter per operator, grouped by kind, one file a kind."""

from separable.compiler.operators.convolution import CONVERTERS as _CONVOLUTION
from separable.compiler.operators.elementwise import CONVERTERS as _ELEMENTWISE
from separable.compiler.operators.movement import CONVERTERS as _MOVEMENT
from separable.compiler.operators.node import Node, Refused
from separable.compiler.operators.reduction import CONVERTERS as _REDUCTION
from separable.compiler.operators.resize import CONVERTERS as _RESIZE
from separable.compiler.operators.selection import CONVERTERS as _SELECTION

__all__ = ["CONVERTERS", "ON_INTEGERS", "Node", "Refused"]

CONVERTERS = {**_CONVOLUTION, **_ELEMENTWISE, **_MOVEMENT, **_REDUCTION, **_RESIZE, **_SELECTION}

ON_INTEGERS = frozenset(
    """
    Abs Add Cast Concat Div Flatten Gather Identity Max Min Mod Mul Neg Reshape Sign Slice Split Squeeze Sub Sum TopK
    Transpose Unsqueeze
    """.split()  # noqa: SIM905 - one name a line would be twenty lines
)
"""Operators that also take and give int32 and int64, and compute in them."""
