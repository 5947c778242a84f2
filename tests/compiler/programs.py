"""Programs of kernels: lowered from small ONNX models, or written by hand step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import NodeProto

from separable.compiler.exprs import Array
from separable.compiler.importer import import_model
from separable.compiler.lower import lower_graph
from separable.compiler.passes.drop_identities import drop_identities
from separable.compiler.passes.fold_constants import fold_constants
from separable.compiler.passes.unify_hard_swish import unify_hard_swish
from separable.compiler.program import Program, Step, Value
from separable.schedules.epilogue import Activation
from separable.schedules.tensor import Blocked, Plain
from separable.schedules.workload import Conv, Depthwise, Elementwise, Pool, Window

from .models import Dims, make_model, save

LANES = 8


def lower(
    folder: Path,
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Dims],
    outputs: str = "y",
    weights: Mapping[str, Array] | None = None,
) -> Program:
    """Import a model, simplify it as the pipeline does, and lower it to blocks of 8 channels."""
    imported = import_model(save(make_model(nodes, inputs, outputs, weights), folder), {})
    mod = unify_hard_swish(fold_constants(drop_identities(imported.mod)))
    return lower_graph(mod, imported.op_nodes, LANES)


def kinds(program: Program) -> list[str]:
    """The kind of workload of every step."""
    return [type(step.workload).__name__ for step in program.steps]


def image(name: str, channels: int = 16, size: int = 4) -> Value:
    """A blocked image without a halo."""
    return Value(name, Blocked(channels, size, size, LANES))


def plain(name: str, *shape: int) -> Value:
    return Value(name, Plain(shape))


def conv(x: Value, name: str, channels: int = 16, pad: int = 0) -> Step:
    """A square convolution that keeps height and width: 1x1, or wider where there is padding."""
    assert isinstance(x.tensor, Blocked)
    size = 2 * pad + 1
    y = image(name, channels, x.tensor.height)
    assert isinstance(y.tensor, Blocked)
    constants = [np.ones((channels, x.tensor.channels, size, size), np.float32), np.zeros(channels, np.float32)]
    return Step((name,), Conv(x.tensor, y.tensor, Window((size, size), pad=(pad, pad))), [x], constants, y)


def depthwise(x: Value, name: str) -> Step:
    """A 3x3 depthwise convolution that keeps height and width."""
    assert isinstance(x.tensor, Blocked)
    y = Value(name, x.tensor)
    constants = [np.ones((x.tensor.channels, 1, 3, 3), np.float32), np.zeros(x.tensor.channels, np.float32)]
    return Step((name,), Depthwise(x.tensor, x.tensor, Window((3, 3), pad=(1, 1))), [x], constants, y)


def pool(x: Value, name: str) -> Step:
    """A maximum over a window of one pixel."""
    assert isinstance(x.tensor, Blocked)
    y = Value(name, x.tensor)
    return Step((name,), Pool("max", x.tensor, x.tensor, Window((1, 1))), [x], [], y)


def elementwise(
    operation: str,
    inputs: list[Value],
    name: str,
    constant: float | None = None,
    activation: Activation | None = None,
    swapped: bool = False,
) -> Step:
    """``activation(inputs[0] operation inputs[1])``, or with one constant for all channels."""
    tensors = tuple(value.tensor for value in inputs)
    assert all(isinstance(tensor, Blocked) for tensor in tensors)
    y = tensors[0]
    constants = [np.full(y.channels, constant, np.float32)] if constant is not None else []  # type: ignore[union-attr]
    workload = Elementwise(
        operation,
        tensors,  # type: ignore[arg-type]
        y,  # type: ignore[arg-type]
        constant=constant is not None,
        swapped=swapped,
        activation=activation,
    )
    return Step((name,), workload, inputs, constants, Value(name, y))
