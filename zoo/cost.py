"""What a network costs, counted as the paper counts: from the architecture alone.

Mult-adds are the multiply-accumulates of the convolutions and the classifier for one picture. Parameters are their
weights and the classifier's bias; batch normalisation is left out, as it folds into the weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from separable.zoo.architecture import Layer, LayerKind, MobileNetV1


@dataclass(frozen=True)
class Cost:
    """Mult-adds per picture and parameters, of a layer or of several together."""

    mult_adds: int
    parameters: int


def layer_cost(layer: Layer) -> Cost:
    """The cost of one layer."""
    weights = layer.kernel**2 * (layer.in_channels // layer.groups) * layer.out_channels
    bias = layer.out_channels if layer.kind == "classifier" else 0
    return Cost(mult_adds=weights * layer.out_size**2, parameters=weights + bias)


def network_cost(network: MobileNetV1) -> Cost:
    """The cost of the whole network, as in the paper's Tables 4 to 14."""
    return total(map(layer_cost, network.layers()))


def cost_by_kind(network: MobileNetV1) -> dict[LayerKind, Cost]:
    """The cost of each layer type, as in the paper's Table 2."""
    layers = network.layers()
    kinds = dict.fromkeys(layer.kind for layer in layers)
    return {kind: total(layer_cost(layer) for layer in layers if layer.kind == kind) for kind in kinds}


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    costs = tuple(costs)
    return Cost(sum(cost.mult_adds for cost in costs), sum(cost.parameters for cost in costs))
