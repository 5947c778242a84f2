"""ONNX -> Relax: one function ``main`` of named bindings with static shapes, or one error that lists every problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from separable.compiler._tvm import tvm
from separable.compiler.convert import convert
from separable.compiler.fold_shapes import TensorType, fold_shapes, opset_of
from separable.compiler.fuse_suppression import fuse_suppression
from separable.compiler.preflight import load_model, not_finite, read_weights, static_inputs


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of the model: its ONNX name, static shape and numpy dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Imported:
    """A model in Relax.

    Attributes:
        mod: function ``main``: parameters are the inputs in order, weights are constants, one dataflow block of
            bindings without nesting, and a tuple of the outputs in order (also if there is one).
        inputs: the graph's inputs that are no initializers.
        outputs: the graph's outputs.
        notes: what the user should know: dimensions chosen here, weights that are not finite.
        op_nodes: the ONNX node (its name, or ``Op_output`` where it has none) of each binding by variable name.
    """

    mod: tvm.IRModule
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    notes: tuple[str, ...]
    op_nodes: Mapping[str, str]


def import_model(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Imported:
    """Read an ONNX file into Relax.

    Args:
        path: the model; its external data files, if any, lie beside it.
        shapes: static shapes by input name, for inputs whose dimensions are symbolic.

    Raises:
        InvalidModel: the file is no sound ONNX model.
        MissingExternalData: an external data file is missing or too short.
        InvalidShape: ``shapes`` contradicts the model.
        DynamicShape: a dimension has no static size.
        UnsupportedOp: lists every node that cannot be compiled.
    """
    model = load_model(path)
    weights = read_weights(model)
    inputs, notes = static_inputs(model, shapes)
    folded = fold_shapes(model.graph.node, inputs, weights, model.opset_import)
    names = [info.name for info in model.graph.output]
    folded = fuse_suppression(folded, names)
    mod, op_nodes = convert(folded, inputs, names, opset_of("", model.opset_import) or 1)
    return Imported(
        mod,
        inputs=_specs(inputs),
        outputs=_specs({name: folded.types[name] for name in names}),
        notes=(*notes, *not_finite(weights)),
        op_nodes=op_nodes,
    )


def _specs(types: Mapping[str, TensorType]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, type_.shape or (), type_.dtype) for name, type_ in types.items())
