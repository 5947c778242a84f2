"""A network as a list of steps: what the exporter, the cost counter and the drawing of weights walk over."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from separable.zoo.network import Network, Operator

# Parts of a module's path that say nothing about it.
_SILENT_PARTS = frozenset({"body", "conv"})


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(module, Operator) or super().is_leaf_module(module, module_qualified_name)


def trace(network: Network) -> fx.GraphModule:
    """The network's modules and functions in the order they run; it shares the network's weights."""
    return fx.GraphModule(network, _Tracer().trace(network))


def trace_shapes(network: Network) -> fx.GraphModule:
    """:func:`trace` with the shape of every tensor; nothing is computed."""
    traced = trace(network)
    device = next(network.parameters()).device
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        picture = torch.empty(1, 3, network.resolution, network.resolution, device=device)
        ShapeProp(traced, fake_mode=fake).propagate(picture)
    return traced


def shapes_of(node: fx.Node) -> tuple[tuple[int, ...], ...]:
    """Shapes of a step's results; the step must come from :func:`trace_shapes`."""
    found: Any = node.meta["tensor_meta"]
    results = (found,) if isinstance(found, TensorMetadata) else tuple(found)
    return tuple(tuple(int(size) for size in result.shape) for result in results)


def step_name(path: str) -> str:
    """A module's path as a node's name: ``body.pointwise_5.conv`` is ``pointwise_5``."""
    return "_".join(part for part in path.split(".") if part not in _SILENT_PARTS)
