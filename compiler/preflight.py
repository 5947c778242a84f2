"""What is checked before any conversion: the file, its external data, its graph, and the shapes of its inputs.

A model file is untrusted: it may be cut off, lie about its sizes, or point at files that are none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    TensorProto,
    TensorShapeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from separable.compiler.errors import DynamicShape, InvalidModel, InvalidShape, MissingExternalData
from separable.compiler.exprs import Array
from separable.compiler.fold_shapes import TensorType, opset_of, schema_of

# Protocol buffers end here; larger models keep their weights in external data files.
_MAX_FILE_BYTES = _LARGEST = (1 << 31) - 1
# Operator set 7 brought numpy's broadcasting rules; before it, Add and its like carried an axis.
MIN_OPSET = 7


def load_model(path: Path) -> ModelProto:
    """Parse ``path``, load its external data and run the ONNX checker.

    Operators that ONNX does not know are left for the importer, which lists them all.

    Raises:
        InvalidModel: the file cannot be read, is no ONNX model, or breaks the specification.
        MissingExternalData: a tensor's data file is absent, too short, or outside the model's folder.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidModel(f"{path} is larger than 2 GiB: keep its weights in external data files.")
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise InvalidModel(f"{path} cannot be read: {error.strerror}.") from error
    except (DecodeError, ValueError) as error:
        raise InvalidModel(f"{path} is no ONNX model, or is cut off: {error}.") from error
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise InvalidModel(f"{path} is no ONNX model: it has no nodes, no outputs or no operator set version.")
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            _load_external(tensor, path.parent.resolve())
    _check(model, path)
    return model


def read_weights(model: ModelProto) -> dict[str, Array]:
    """Values of all initializers by name.

    Raises:
        InvalidModel: a tensor's data does not have the size its shape promises, or it is stored sparse.
    """
    if model.graph.sparse_initializer:
        raise InvalidModel("the model stores weights as sparse tensors: export it with dense ones.")
    weights = {}
    for tensor in model.graph.initializer:
        try:
            weights[tensor.name] = numpy_helper.to_array(tensor).reshape(tuple(tensor.dims))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidModel(f"weights '{tensor.name}' of shape {list(tensor.dims)} are damaged: {error}.") from error
    return weights


def not_finite(weights: Mapping[str, Array]) -> list[str]:
    """A note for every float tensor that holds NaN or infinity."""
    notes = []
    for name, value in weights.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            kind = "NaN" if np.isnan(value).any() else "infinity"
            notes.append(f"weights '{name}' contain {kind}")
    return notes


def static_inputs(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, TensorType], list[str]]:
    """Give every input a static shape, from the model, from ``shapes``, or 1 for a symbolic batch dimension.

    Args:
        model: the model; inputs that are initializers too (before ONNX IR 4 all were) are weights, not inputs.
        shapes: the user's shapes by input name.

    Returns:
        The inputs in the model's order, and a note for every batch dimension that was chosen here.

    Raises:
        InvalidShape: ``shapes`` names no input or contradicts the model.
        DynamicShape: a dimension other than the first is symbolic and ``shapes`` does not give it.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {info.name: info for info in model.graph.input if info.name not in weights}
    if unknown := [name for name in shapes if name not in inputs]:
        names = ", ".join(f"'{name}'" for name in inputs) or "none"
        raise InvalidShape(f"--shape {unknown[0]}=...: the model has no input '{unknown[0]}'; its inputs are {names}.")
    symbols: dict[str, int] = {}
    for name, given in shapes.items():
        _bind_symbols(inputs[name], given, symbols)
    types: dict[str, TensorType] = {}
    notes: list[str] = []
    problems: list[str] = []
    for name, info in inputs.items():
        tensor = info.type.tensor_type
        if not info.type.HasField("tensor_type") or tensor.elem_type not in TensorProto.DataType.values():
            raise InvalidModel(f"input '{name}' is no tensor of a type that ONNX defines.")
        shape = list(shapes.get(name, ()))
        if not tensor.HasField("shape") and name not in shapes:
            problems.append(f"input '{name}' has no shape: give one with --shape {name}=1,3,224,224")
        elif name not in shapes:
            shape = [fixed_size(dim) or symbols.get(dim.dim_param, 0) for dim in tensor.shape.dim]
            if shape and not shape[0]:
                shape[0] = 1
                symbol = tensor.shape.dim[0].dim_param
                symbols.setdefault(symbol, 1)
                notes.append(f"input '{name}': batch dimension '{symbol or '?'}' set to 1")
            if dynamic := [axis for axis, size in enumerate(shape) if not size]:
                problems.append(_ask_for_shape(info, shape, dynamic))
        types[name] = TensorType(tuple(shape), str(helper.tensor_dtype_to_np_dtype(tensor.elem_type)))
    if problems:
        raise DynamicShape("the model's shapes are not static:\n" + "\n".join(f"  - {problem}" for problem in problems))
    return types, notes


def fixed_size(dim: TensorShapeProto.Dimension) -> int:
    """A dimension's size, 0 if it has none: exporters also write 0 or -1 for that."""
    return max(0, int(dim.dim_value))


def _bind_symbols(info: ValueInfoProto, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    given = f"--shape {info.name}={','.join(map(str, shape))}"
    if not all(1 <= size <= _LARGEST for size in shape):
        raise InvalidShape(f"{given}: every dimension must be at least 1, and at most {_LARGEST}.")
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return
    if len(shape) != len(tensor.shape.dim):
        raise InvalidShape(f"{given}: the model's input has {len(tensor.shape.dim)} dimensions, not {len(shape)}.")
    for axis, (size, dim) in enumerate(zip(shape, tensor.shape.dim, strict=True)):
        fixed = fixed_size(dim) or (symbols.setdefault(dim.dim_param, size) if dim.dim_param else size)
        if fixed != size:
            raise InvalidShape(f"{given}: dimension {axis} is {dim.dim_param or 'fixed'} = {fixed}, not {size}.")


def _ask_for_shape(info: ValueInfoProto, shape: list[int], dynamic: list[int]) -> str:
    dims = info.type.tensor_type.shape.dim
    names = ", ".join(f"{axis} ('{dims[axis].dim_param or '?'}')" for axis in dynamic)
    example = ",".join(str(size or dims[axis].dim_param or "?") for axis, size in enumerate(shape))
    return f"input '{info.name}': dimension {names} is symbolic; give its size with --shape {info.name}={example}"


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attr in node.attribute:
            if attr.type == AttributeProto.TENSOR:
                yield attr.t
            elif attr.type == AttributeProto.GRAPH:
                yield from _tensors(attr.g)


def _names(graph: GraphProto) -> Iterator[str | bytes]:
    """Names of nodes, operators and tensors; protobuf hands out bytes for those that are no UTF-8."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attr.name for attr in node.attribute)
    for named in (*graph.initializer, *graph.input, *graph.output):
        yield named.name


def _load_external(tensor: TensorProto, folder: Path) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    # Resolved, so that neither '..' nor a symbolic link leads out of the model's folder.
    file = (folder / location).resolve()
    if not file.is_relative_to(folder) or file == folder:
        raise MissingExternalData(f"tensor '{tensor.name}' refers to '{location}', outside the model's folder.")
    if not file.is_file():
        raise MissingExternalData(
            f"tensor '{tensor.name}' needs the external data file '{location}', which is not next to the model."
        )
    available = file.stat().st_size
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", available - offset))
    except ValueError as error:
        raise InvalidModel(
            f"tensor '{tensor.name}': offset and length of its external data must be numbers."
        ) from error
    if offset < 0 or length < 0 or offset + length > available:
        raise MissingExternalData(
            f"tensor '{tensor.name}' needs bytes {offset} to {offset + length} of '{location}', "
            f"which has only {available}."
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _check(model: ModelProto, path: Path) -> None:
    version = opset_of("", model.opset_import)
    if version is not None and version < MIN_OPSET:
        raise InvalidModel(f"{path} uses operator set {version}: export it again with {MIN_OPSET} or later.")
    if version is not None and version > (newest := onnx.defs.onnx_opset_version()):
        raise InvalidModel(
            f"{path} uses operator set {version}, but onnx {onnx.__version__} knows them up to {newest} only: "
            "export it again with that, or install a newer onnx."
        )
    if not all(isinstance(name, str) for name in _names(model.graph)):
        raise InvalidModel(f"{path} breaks the ONNX specification: it has a name that is not valid UTF-8.")
    outputs = [info.name for info in model.graph.output]
    if twice := [name for index, name in enumerate(outputs) if name in outputs[:index]]:
        raise InvalidModel(
            f"{path} lists output '{twice[0]}' twice, but outputs are told apart by their names: leave one out, or "
            "rename it with an Identity node."
        )
    for node in model.graph.node:
        if not any(node.output):
            raise InvalidModel(f"{path} breaks the ONNX specification: a node of type '{node.op_type}' has no output.")
    if any(schema_of(node, model.opset_import) is None for node in model.graph.node):
        return
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise InvalidModel(f"{path} breaks the ONNX specification: {error}") from error
