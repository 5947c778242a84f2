"""What became of each layer, for the manifest and ``inspect``: its kernel, schedule and layout, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from separable.compiler.program import Program, Step, describe
from separable.compiler.schedule import Scheduled
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Dense, Depthwise


@dataclass(frozen=True)
class Layer:
    """One kernel call.

    Attributes:
        nodes: the ONNX nodes it computes.
        type: the layer type, named as in the paper's Table 2: ``Conv 1x1``, ``Conv DW 3x3``, ``Fully connected``.
        kernel: the compiled function.
        schedule: where its tile comes from: ``default`` (computed from the target row), ``record`` (measured for this
            workload), ``nearest`` (measured for a similar one) or ``given``.
        tile: the parameters of the schedule.
        layout: its output in memory.
        mult_adds: multiply-accumulates of convolutions and fully connected layers, 0 for all others.
        parameters: weights, and a bias for each channel, which batch normalisation is folded into.
    """

    nodes: tuple[str, ...]
    type: str
    kernel: str
    schedule: str
    tile: str
    layout: str
    mult_adds: int
    parameters: int

    @classmethod
    def from_manifest(cls, entry: Mapping[str, Any]) -> Layer:
        """A layer from its entry in ``NAME.json``, which has the same names."""
        values = {field.name: entry[field.name] for field in fields(cls)}
        return cls(**{**values, "nodes": tuple(entry["nodes"])})


@dataclass(frozen=True)
class Share:
    """What the layers of one type cost together."""

    type: str
    count: int
    mult_adds: int
    parameters: int


def layers_of(program: Program, scheduled: Scheduled) -> tuple[Layer, ...]:
    """Every layer in execution order; layers that were fused name the same kernel."""
    return tuple(
        Layer(
            nodes=part.nodes,
            type=layer_type(part),
            kernel=kernel.name,
            schedule=kernel.source,
            tile=str(kernel.tile),
            layout=describe(step.output.tensor),
            mult_adds=part.workload.macs if isinstance(part.workload, Conv | Depthwise | Dense) else 0,
            parameters=sum(array.size for array in part.constants),
        )
        for step, kernel in zip(program.steps, scheduled.calls, strict=True)
        for part in step.parts or (step,)
    )


def shares_of(layers: Iterable[Layer]) -> tuple[Share, ...]:
    """The cost of each layer type, the most mult-adds first: the paper's Table 2."""
    layers = tuple(layers)
    shares = []
    for kind in dict.fromkeys(layer.type for layer in layers):
        same = [layer for layer in layers if layer.type == kind]
        shares.append(Share(kind, len(same), total_mult_adds(same), total_parameters(same)))
    return tuple(sorted(shares, key=lambda share: -share.mult_adds))


def total_mult_adds(layers: Iterable[Layer]) -> int:
    """Multiply-accumulates of all layers."""
    return sum(layer.mult_adds for layer in layers)


def total_parameters(layers: Iterable[Layer]) -> int:
    """Parameters of all layers."""
    return sum(layer.parameters for layer in layers)


def folded_nodes(nodes: Iterable[str], layers: Sequence[Layer]) -> tuple[str, ...]:
    """The ONNX nodes that no kernel computes: folded into weights, or without effect."""
    computed = {node for layer in layers for node in layer.nodes}
    return tuple(node for node in dict.fromkeys(nodes) if node not in computed)


def layer_type(step: Step) -> str:
    """The name of a step's layer type."""
    workload = step.workload
    if isinstance(workload, Dense):
        return "Fully connected"
    if not isinstance(workload, Conv | Depthwise):
        return type(workload).__name__
    size = "x".join(map(str, workload.window.size))
    if isinstance(workload, Depthwise):
        return f"Conv DW {size}"
    if _pixels(workload) == math.prod(workload.window.size) == 1:
        return "Fully connected"
    return f"Conv {size}" if workload.groups == 1 else f"Conv {size}, {workload.groups} groups"


def _pixels(workload: Conv) -> int:
    x = workload.x
    return x.height * x.width if isinstance(x, Blocked) else math.prod(x.shape[2:])
