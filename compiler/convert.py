"""ONNX nodes -> Relax bindings, node by node; what cannot be converted is collected, so that one error lists it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from separable.compiler._tvm import relax, tvm
from separable.compiler.errors import UnsupportedOp
from separable.compiler.exprs import const, constant, dtype_of, identifier, shape_of
from separable.compiler.fold_shapes import FOLDABLE, FoldedGraph, TensorType, describe, outgrows
from separable.compiler.graph import Graph
from separable.compiler.operators import CONVERTERS, ON_INTEGERS, Node, Refused
from separable.schedules.tensor import MAX_ELEMENTS

_HINTS = {
    "control flow is not supported: export the model with one fixed path": "If Loop Scan",
    "how many boxes it selects depends on data: scatter their scores into zeros, which is compiled as one operator": (
        "GatherND NonMaxSuppression ScatterND"
    ),
    "the size of its result depends on data: cut it off and run it on the host": "NonZero Unique",
    "quantised networks are not supported: compile the float32 model that this one was made from": (
        "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear"
    ),
}
_HINT_BY_OP = {op: hint for hint, ops in _HINTS.items() for op in ops.split()}
_UNKNOWN = "this operator is not supported"
_ONLY_FOLDED = "this operator is supported only where its operands are constant and its result is no large constant"
# What converters and Relax raise on attributes that ONNX's own inference let pass (a group that divides no channels).
_CONTRADICTIONS = (IndexError, KeyError, RuntimeError, TypeError, ValueError)
_INTEGERS = ("int32", "int64")


def convert(
    folded: FoldedGraph, inputs: Mapping[str, TensorType], outputs: Sequence[str], opset: int
) -> tuple[tvm.IRModule, dict[str, str]]:
    """Convert the nodes that an output depends on.

    Args:
        folded: the graph's nodes, constants and tensor types.
        inputs: the graph's inputs in order.
        outputs: names of the graph's outputs in order.
        opset: version of the default operator set.

    Returns:
        The canonical module, and the name of the ONNX node that each binding came from.

    Raises:
        UnsupportedOp: lists every input, node and output that cannot be compiled. What reads the result of an
            operator unknown to ONNX has no known shape, and is checked by its operator's name only.
    """
    problems = [
        f"input '{name}' is {type_.dtype}: only float32 tensors are supported"
        for name, type_ in inputs.items()
        if type_.dtype != "float32"
    ]
    graph = Graph([_variable(name, type_) for name, type_ in inputs.items()])
    values: dict[str, relax.Expr] = dict(zip(inputs, graph.params, strict=True))
    origins: dict[str, str] = {}
    nodes = _live_nodes(folded.nodes, outputs)
    read = {name for node in nodes for name in node.input}.union(outputs)
    for node in nodes:
        used = _used_outputs(node, read)
        origin = node.name or f"{node.op_type}_{used[0]}"
        known = len(graph.bindings)
        try:
            results = _results(node, used, folded, values, opset)
            results = graph.bind_all(results, identifier(origin))
            _check_results(used, results, folded)
        except Refused as refusal:
            problems.append(f"{describe(node)}: {refusal}")
            results = _stand_ins(node, used, folded, values)
        except _CONTRADICTIONS as error:
            problems.append(f"{describe(node)}: its attributes contradict each other or its operands: {error}")
            results = _stand_ins(node, used, folded, values)
        values.update(zip(used, results, strict=False))
        origins.update((var.name, origin) for var in list(graph.bindings)[known:])
    problems += [
        f"output '{name}' is a constant: nothing is left to compute"
        for name in outputs
        if name in folded.constants or constant(values.get(name)) is not None
    ]
    if problems:
        raise UnsupportedOp(problems)
    graph.outputs = [values[name] for name in outputs]
    return graph.to_module(), origins


def _results(
    node: NodeProto, used: Sequence[str], folded: FoldedGraph, values: dict[str, relax.Expr], opset: int
) -> list[relax.Expr]:
    for name in node.input:
        if name in folded.constants and name not in values:
            values[name] = _weight(name, folded)
    converter = CONVERTERS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if converter is None:
        raise Refused(_HINT_BY_OP.get(node.op_type, _ONLY_FOLDED if node.op_type in FOLDABLE else _UNKNOWN))
    if any(name and name not in values for name in node.input):
        return []
    for name in node.input:
        if name and name not in folded.constants:
            _check_dtype(node, folded.types[name])
    shapes = [_static_shape(node, name, folded.types[name]) for name in used]
    operands = tuple(values[name] if name else None for name in node.input)
    converted = converter(Node(node.op_type, opset, operands, _attributes(node), tuple(shapes)))
    return converted if isinstance(converted, list) else [converted]


def _stand_ins(
    node: NodeProto, used: Sequence[str], folded: FoldedGraph, values: Mapping[str, relax.Expr]
) -> list[relax.Expr]:
    """Results of a refused node, so that the nodes that read them are checked as well; none for huge constants."""
    types = [(name, folded.types[name]) for name in used if name in folded.types]
    operands = [values.get(name) for name in node.input if name]
    if all(constant(operand) is not None for operand in operands):
        if outgrows([type_.shape or () for _, type_ in types], [shape_of(operand) for operand in operands]):
            return []
        return [const(np.zeros(type_.shape or (), type_.dtype)) for _, type_ in types]
    return [_variable(name, type_) for name, type_ in types]


def _live_nodes(nodes: Sequence[NodeProto], outputs: Sequence[str]) -> list[NodeProto]:
    needed, live = set(outputs), []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            live.append(node)
    return live[::-1]


def _used_outputs(node: NodeProto, read: set[str]) -> list[str]:
    """Outputs up to the last one that is read: statistics and masks that trail unread do not count."""
    last = max(index for index, name in enumerate(node.output) if name in read)
    return list(node.output[: last + 1])


def _check_dtype(node: NodeProto, type_: TensorType) -> None:
    if type_.dtype != "float32" and (type_.dtype not in _INTEGERS or node.op_type not in ON_INTEGERS):
        raise Refused(f"it computes in {type_.dtype}; only float32 is supported")


def _static_shape(node: NodeProto, name: str, type_: TensorType) -> tuple[int, ...]:
    if type_.shape is None:
        hint = _HINT_BY_OP.get(node.op_type, f"the shape of its output '{name}' depends on the input's values")
        raise Refused(hint)
    _check_dtype(node, type_)
    if not 0 < np.prod(type_.shape, dtype=object) <= MAX_ELEMENTS:
        raise Refused(f"its output '{name}' of shape {list(type_.shape)} is empty or too large")
    return type_.shape


def _check_results(used: Sequence[str], results: Sequence[relax.Expr], folded: FoldedGraph) -> None:
    """Raise ValueError, one of ``_CONTRADICTIONS``, where Relax computes another type than ONNX infers for readers."""
    for name, result in zip(used, results, strict=False):
        expected, computed = folded.types[name], TensorType(shape_of(result), dtype_of(result))
        if computed != expected:
            raise ValueError(
                f"its output '{name}' should be {expected.dtype} {list(expected.shape or ())}, "
                f"but comes out as {computed.dtype} {list(computed.shape or ())}"
            )


def _weight(name: str, folded: FoldedGraph) -> relax.Expr:
    value = folded.constants[name]
    if value.dtype.kind not in "fiub":
        raise Refused(f"operand '{name}' holds {value.dtype}, which is no number")
    return const(value)


def _variable(name: str, type_: TensorType) -> relax.Var:
    # Relax has no strings; a variable of them stands in a graph that is refused.
    dtype = "float32" if type_.dtype == "object" else type_.dtype
    return relax.Var(identifier(name), relax.TensorType(type_.shape, dtype))


def _attributes(node: NodeProto) -> dict[str, Any]:
    values = {attr.name: helper.get_attribute_value(attr) for attr in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}
