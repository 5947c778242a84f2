"""Relax -> :class:`Program`: one operator after the other, each to a kernel workload in the layout that suits it.

Images stay blocked (NCHW[v]c) from the first convolution on; an operator with no kernel of its own takes plain tensors
and TVM's definition. A rule that does not fit returns None, and the next one is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from separable.compiler._tvm import relax, tvm
from separable.compiler.graph import Graph
from separable.compiler.lowering.convolution import lower_conv2d, lower_matmul
from separable.compiler.lowering.elementwise import lower_activation, lower_binary
from separable.compiler.lowering.generic import lower_generic
from separable.compiler.lowering.movement import lower_concat, lower_permute, lower_resize, lower_view
from separable.compiler.lowering.pooling import lower_global_pool, lower_lrn, lower_pool, lower_softmax
from separable.compiler.lowering.selection import lower_roi_align, lower_suppress, lower_top_k
from separable.compiler.lowering.state import Lowering, Rule
from separable.compiler.program import Program, Value

RULES: dict[str, Rule] = {
    "nn.conv2d": lower_conv2d,
    "matmul": lower_matmul,
    "nn.max_pool2d": lower_pool,
    "nn.avg_pool2d": lower_pool,
    "mean": lower_global_pool,
    "max": lower_global_pool,
    "nn.softmax": lower_softmax,
    "separable.lrn": lower_lrn,
    "separable.suppress": lower_suppress,
    "separable.top_k": lower_top_k,
    "vision.roi_align": lower_roi_align,
    "concat": lower_concat,
    "image.resize2d": lower_resize,
    "permute_dims": lower_permute,
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), lower_view),
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "maximum", "minimum"), lower_binary),
}
"""The first rule to ask for each operator."""

FALLBACKS: tuple[Rule, ...] = (lower_activation, lower_generic)
"""Asked in this order when that does not fit; the last one always does."""


def lower_graph(mod: tvm.IRModule, op_nodes: Mapping[str, str], lanes: int, dtype: str = "float32") -> Program:
    """Lower function ``main`` of a canonical module.

    Args:
        mod: the folded module; outputs are a tuple.
        op_nodes: ONNX node of each binding, by variable name.
        lanes: channels in one block of a blocked image.
        dtype: of blocked images and of the weights of convolutions; plain tensors stay float32.

    Raises:
        UnsupportedOp: an output of the model depends on no input.
    """
    lowering = Lowering(Graph.of(mod), op_nodes, lanes, dtype)
    for var, value in lowering.graph.bindings.items():
        lowering.values[var] = _lower(lowering, var, value)
    for output in lowering.graph.outputs:
        lowering.program.outputs.append(lowering.as_output(output))
    return lowering.program


def _lower(lowering: Lowering, var: relax.Var, value: relax.Expr) -> Value:
    first = RULES.get(value.op.name.removeprefix("relax."))
    for rule in (*([first] if first else []), *FALLBACKS):
        lowered = rule(lowering, var, value)
        if lowered is not None:
            return lowered
    raise AssertionError(f"no rule lowers {value}")
