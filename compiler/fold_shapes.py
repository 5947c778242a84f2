"""Static shapes for every tensor of an ONNX graph, and constants for all that depends on nothing but shapes.

``Shape -> Gather -> Unsqueeze -> Concat -> Reshape`` chains, ``Constant`` nodes and arithmetic on weights are evaluated
here, in one walk over the nodes: shape inference of a node sees the values of the constants before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import AttributeProto, NodeProto, OperatorSetIdProto, TypeProto, defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from separable.compiler.errors import InvalidModel
from separable.compiler.exprs import Array

# Deterministic, free of control flow and of results that outgrow what shape inference announces.
FOLDABLE = frozenset(
    """
    Abs Add And Cast Ceil Concat Constant ConstantOfShape Div Equal Exp Expand Flatten Floor Gather Greater
    GreaterOrEqual Identity Less LessOrEqual Max Min Mod Mul Neg Not Or Pow Range ReduceMax ReduceMin ReduceProd
    ReduceSum Reshape Round Shape Size Slice Split Sqrt Squeeze Sub Tile Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 - one name a line would be forty lines
)
"""Operators that are evaluated here where all their operands are known, unless the result is too large."""
_POOLS = frozenset({"AveragePool", "MaxPool"})
_SHAPE_READERS = frozenset({"Shape", "Size"})
# A folded result may be as large as its operands (weights), but must not grow beyond this many elements.
_MAX_GROWTH = 1 << 20
# Larger constants are weights: shape inference never reads their values.
_MAX_SHAPE_DATA = 1 << 10


@dataclass(frozen=True)
class TensorType:
    """Shape and numpy dtype of a tensor; the shape is None where it depends on data or is not known."""

    shape: tuple[int, ...] | None
    dtype: str


@dataclass
class FoldedGraph:
    """What is left to compute: ``nodes`` in order, ``constants`` by tensor name, ``types`` of all tensors by name.

    A tensor without an entry in ``types`` is the result of an operator that ONNX does not know.
    """

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    types: dict[str, TensorType] = field(default_factory=dict)


def fold_shapes(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, TensorType],
    constants: Mapping[str, Array],
    opsets: Sequence[OperatorSetIdProto],
) -> FoldedGraph:
    """Infer the type of every tensor and evaluate the nodes whose operands are known.

    Args:
        nodes: the graph's nodes, topologically sorted.
        inputs: static types of the graph's inputs.
        constants: values of the initializers.
        opsets: operator set versions of the model.

    Raises:
        InvalidModel: a node breaks its operator's specification, or reads a tensor that nothing produces.
    """
    graph = FoldedGraph(constants=dict(constants), types=dict(inputs))
    graph.types.update({name: TensorType(value.shape, str(value.dtype)) for name, value in constants.items()})
    unknown: set[str] = set()
    for node in nodes:
        operands = [name for name in node.input if name]
        if missing := [name for name in operands if name not in graph.types and name not in unknown]:
            raise InvalidModel(f"node {describe(node)} reads tensor '{missing[0]}', which nothing before it produces.")
        schema = schema_of(node, opsets)
        if schema is None or not unknown.isdisjoint(operands):
            unknown.update(node.output)
            graph.nodes.append(node)
            continue
        results = _infer(node, schema, graph, opsets)
        graph.types.update(results)
        if _is_foldable(node, graph, results):
            graph.constants.update(zip(node.output, _evaluate(node, graph, opsets), strict=False))
        else:
            graph.nodes.append(node)
    return graph


def describe(node: NodeProto) -> str:
    """How messages name a node: by its name, or by its first output where the exporter gave it none."""
    return f"'{node.name}' ({node.op_type})" if node.name else f"{node.op_type} with output '{node.output[0]}'"


def opset_of(domain: str, opsets: Sequence[OperatorSetIdProto]) -> int | None:
    """The version of an operator set that the model imports; ``""`` and ``ai.onnx`` are the same domain."""
    names = ("", "ai.onnx") if domain in ("", "ai.onnx") else (domain,)
    return next((int(opset.version) for opset in opsets if opset.domain in names), None)


def schema_of(node: NodeProto, opsets: Sequence[OperatorSetIdProto]) -> defs.OpSchema | None:
    """The operator's schema at the version that the model imports; None if ONNX knows no such operator."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = opset_of(domain, opsets)
    if version is None or not defs.has(node.op_type, version, domain):
        return None
    return defs.get_schema(node.op_type, version, domain)


def _infer(
    node: NodeProto, schema: defs.OpSchema, graph: FoldedGraph, opsets: Sequence[OperatorSetIdProto]
) -> dict[str, TensorType]:
    operands = {name for name in node.input if name}
    types = {
        name: helper.make_tensor_type_proto(_element_type(graph.types[name].dtype), graph.types[name].shape)
        for name in operands
    }
    small = {
        name: numpy_helper.from_array(graph.constants[name], name)
        for name in operands
        if name in graph.constants and graph.constants[name].size <= _MAX_SHAPE_DATA
    }
    # On these ONNX's own inference does not fail but aborts the process.
    bad = [size for name in operands for size in graph.types[name].shape or () if size < (node.op_type == "Slice")]
    if bad:
        raise InvalidModel(f"node {describe(node)} reads a tensor with a dimension of size {bad[0]}.")
    try:
        inferred = shape_inference.infer_node_outputs(schema, node, types, small, opset_imports=list(opsets))
    except Exception as error:  # the C++ extension raises several unrelated types
        shapes = ", ".join(f"'{name}' {list(graph.types[name].shape or ())}" for name in node.input if name)
        raise InvalidModel(f"node {describe(node)} does not fit its operands ({shapes}): {error}") from error
    results = {name: _tensor_type(proto) for name, proto in inferred.items() if name and proto.HasField("tensor_type")}
    if node.op_type in _POOLS and (shape := graph.types[node.input[0]].shape) is not None:
        results = {name: TensorType(_pooled(node, shape, type_.shape), type_.dtype) for name, type_ in results.items()}
    return results


def _pooled(node: NodeProto, shape: tuple[int, ...], inferred: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The shape of a pool's result: ONNX's own inference counts windows that start in the padding at the end too.

    The specification and ONNX Runtime do not. Only ``ceil_mode`` makes room for such windows.
    """
    values = {attr.name: helper.get_attribute_value(attr) for attr in node.attribute}
    auto = values.get("auto_pad", b"NOTSET")
    if inferred is None or not values.get("ceil_mode", 0) or auto.startswith(b"SAME"):
        return inferred
    axes = len(shape) - 2
    begins = values["pads"][:axes] if "pads" in values and auto == b"NOTSET" else [0] * axes
    strides = values.get("strides", [1] * axes)
    columns = zip(inferred[2:], shape[2:], begins, strides, strict=True)
    sizes = (out - ((out - 1) * stride >= size + begin) for out, size, begin, stride in columns)
    return (*inferred[:2], *sizes)


def _is_foldable(node: NodeProto, graph: FoldedGraph, results: Mapping[str, TensorType]) -> bool:
    if node.op_type not in FOLDABLE or any(attr.type == AttributeProto.GRAPH for attr in node.attribute):
        return False
    operands = [name for name in node.input if name]
    if node.op_type in _SHAPE_READERS:
        return graph.types[operands[0]].shape is not None
    if not all(name in graph.constants for name in operands):
        return False
    shapes = [results[name].shape for name in node.output if name in results]
    known = [shape for shape in shapes if shape is not None]
    if len(shapes) < sum(map(bool, node.output)) or len(known) < len(shapes):
        return False
    return not outgrows(known, [graph.constants[name].shape for name in operands])


def outgrows(results: Iterable[tuple[int, ...]], operands: Iterable[tuple[int, ...]]) -> bool:
    """Whether constants of these shapes are too large to be computed: a short model may ask for any size."""
    return sum(map(math.prod, results)) > max(_MAX_GROWTH, sum(map(math.prod, operands)))


def _evaluate(node: NodeProto, graph: FoldedGraph, opsets: Sequence[OperatorSetIdProto]) -> list[Array]:
    operands = {name: graph.constants.get(name) for name in node.input if name}
    if node.op_type in _SHAPE_READERS:
        # Only the shape is read: a stand-in without storage saves materialising an activation.
        name = node.input[0]
        operands[name] = np.broadcast_to(np.float32(0), graph.types[name].shape or ())
    infos = [helper.make_tensor_value_info(name, 0, None) for name in operands]
    results = [helper.make_tensor_value_info(name, 0, None) for name in node.output]
    model = helper.make_model(helper.make_graph([node], "fold", infos, results), opset_imports=list(opsets))
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, operands)]
    except Exception as error:  # numpy raises what it likes when operands make no sense
        raise InvalidModel(f"node {describe(node)} cannot be evaluated: {error}") from error


def _element_type(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _tensor_type(proto: TypeProto) -> TensorType:
    tensor = proto.tensor_type
    dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
        return TensorType(None, dtype)
    return TensorType(tuple(int(dim.dim_value) for dim in tensor.shape.dim), dtype)
