"""What any network of the zoo costs: its layers are counted from the shapes that flow through it, none is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from separable.zoo.cost import Cost, total
from separable.zoo.network import Network
from separable.zoo.trace import shapes_of, step_name, trace_shapes


@dataclass(frozen=True)
class CountedLayer:
    """One convolution or linear layer.

    Attributes:
        name: of its node in the ONNX file.
        type: named as in the paper's Table 2: ``Conv 1x1``, ``Conv DW 3x3``, ``Fully connected``.
        cost: mult-adds for one picture; weights and biases.
    """

    name: str
    type: str
    cost: Cost


def count_layers(network: Network) -> tuple[CountedLayer, ...]:
    """The cost of every convolution and linear layer in the order they run.

    The network may be on torch's device ``meta``, where it has shapes but no weights.
    """
    traced = trace_shapes(network.eval())
    layers = []
    for step in traced.graph.nodes:
        if step.op != "call_module":
            continue
        module = traced.get_submodule(str(step.target))
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        (output,) = shapes_of(step)
        # A layer that is applied to several regions, or at several places, uses each weight once for each of them.
        places = output[0] * math.prod(output[2:])
        cost = Cost(places * module.weight.numel(), sum(parameter.numel() for parameter in module.parameters()))
        layers.append(CountedLayer(step_name(str(step.target)), _type_of(module), cost))
    return tuple(layers)


def shares(layers: Iterable[CountedLayer]) -> dict[str, Cost]:
    """The cost of each layer type, the most mult-adds first: the paper's Table 2."""
    layers = tuple(layers)
    by_type = {
        type_: total_of(layer for layer in layers if layer.type == type_)
        for type_ in dict.fromkeys(layer.type for layer in layers)
    }
    return dict(sorted(by_type.items(), key=lambda item: -item[1].mult_adds))


def total_of(layers: Iterable[CountedLayer]) -> Cost:
    """The cost of all layers together."""
    return total(layer.cost for layer in layers)


def _type_of(module: nn.Conv2d | nn.Linear) -> str:
    if isinstance(module, nn.Linear):
        return "Fully connected"
    size = "x".join(map(str, module.kernel_size))
    if module.groups == module.in_channels > 1:
        return f"Conv DW {size}"
    return f"Conv {size}" if module.groups == 1 else f"Conv {size}, {module.groups} groups"
