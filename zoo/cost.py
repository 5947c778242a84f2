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
    return _total(network.layers())


def cost_by_kind(network: MobileNetV1) -> dict[LayerKind, Cost]:
    """The cost of each layer type, as in the paper's Table 2."""
    layers = network.layers()
    kinds = dict.fromkeys(layer.kind for layer in layers)
    return {kind: _total(layer for layer in layers if layer.kind == kind) for kind in kinds}


def _total(layers: Iterable[Layer]) -> Cost:
    costs = [layer_cost(layer) for layer in layers]
    return Cost(sum(cost.mult_adds for cost in costs), sum(cost.parameters for cost in costs))
