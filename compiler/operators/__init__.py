"""How each ONNX operator is written in Relax: one converter per operator, grouped by kind, one file a kind."""

from separable.compiler.operators.convolution import CONVERTERS as _CONVOLUTION
from separable.compiler.operators.elementwise import CONVERTERS as _ELEMENTWISE
from separable.compiler.operators.movement import CONVERTERS as _MOVEMENT
from separable.compiler.operators.node import Node, Refused
from separable.compiler.operators.reduction import CONVERTERS as _REDUCTION

__all__ = ["CONVERTERS", "Node", "Refused"]

CONVERTERS = {**_CONVOLUTION, **_ELEMENTWISE, **_MOVEMENT, **_REDUCTION}
