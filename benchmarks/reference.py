"""What ONNX Runtime makes of a model: the outputs that are right, and a form of the model that converters take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import version_converter

from separable.benchmarks.peers.peer import Array

_OPSET = 13


def reference_outputs(model: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The model's outputs by name, without optimisations of the graph."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def write_static(model: Path, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Write the model with inputs of the given shapes, constants folded, and no initializer among the inputs.

    Several converters fail at graphs that compute shapes, and at operators of before opset 13.
    """
    network = onnx.load(model)
    _fix_inputs(network, shapes)
    (opset,) = (entry.version for entry in network.opset_import if not entry.domain)
    if opset < _OPSET:
        network = version_converter.convert_version(network, _OPSET)
    options = ort.SessionOptions()
    # Folds constants and removes what computes nothing; the next level would introduce operators of its own.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    _keep_standard_domain(path)


def _fix_inputs(network: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    inputs = [value for value in network.graph.input if value.name in shapes]
    for value in inputs:
        for dimension, size in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            dimension.dim_value = size
    del network.graph.input[:]
    network.graph.input.extend(inputs)


def _keep_standard_domain(path: Path) -> None:
    """ONNX Runtime declares every domain that it knows."""
    network = onnx.load(path)
    kept = [entry for entry in network.opset_import if not entry.domain]
    del network.opset_import[:]
    network.opset_import.extend(kept)
    onnx.save(network, path)
