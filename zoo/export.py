"""From a torch network to an ONNX file.

The graph is written module by module: torch's exporters fold batch normalisation into the convolutions, number nodes
and record source lines by their version, while a compiler wants the network as it was trained and the same bytes every
time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from torch import fx, nn

from separable.compiler.files import whole_file
from separable.zoo.architecture import MobileNetV1
from separable.zoo.drawing import draw_weights
from separable.zoo.mobilenet_v1 import MobileNetV1Network
from separable.zoo.network import Network, Operator
from separable.zoo.onnx_graph import OnnxGraph
from separable.zoo.onnx_modules import FUNCTIONS, MODULES
from separable.zoo.trace import shapes_of, step_name, trace_shapes
from separable.zoo.weights import load_weights

_INPUT = "input"


def export_network(network: Network, path: Path, *, seed: int = 0, weights: Path | None = None) -> None:
    """Write a network to ``path`` as ONNX, batch normalisation unfused.

    The file maps ``input``, float32 [1, 3, resolution, resolution], to the network's outputs, all float32. Its weights
    are those of the state dict ``weights``, or else drawn from ``seed``. It appears whole or not at all.

    Raises:
        WeightsError: ``weights`` does not fit the network.
        OSError: a file cannot be read or written.
    """
    if weights is None:
        draw_weights(network, seed)
    else:
        load_weights(network, weights)
    model = to_onnx(network).SerializeToString(deterministic=True)
    with whole_file(path) as file:
        file.write(model)


def export_mobilenet_v1(spec: MobileNetV1, path: Path, *, seed: int = 0, weights: Path | None = None) -> None:
    """Write MobileNet V1 to ``path`` as ONNX: :func:`export_network` of the network that ``spec`` describes."""
    export_network(MobileNetV1Network(spec), path, seed=seed, weights=weights)


def export_untrained(network: Network, path: Path) -> None:
    """Write a network whose outputs mean nothing, but which runs as fast as a trained one, and is written at once.

    Filters are drawn as He et al. propose, so that no activation vanishes; :func:`export_network` fits weights to
    pictures, which takes longer than to compile them.
    """
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    path.write_bytes(to_onnx(network).SerializeToString(deterministic=True))


def to_onnx(network: Network) -> onnx.ModelProto:
    """The network as a checked ONNX model of opset 13; its tensors are named after the network's modules."""
    traced = trace_shapes(network.eval())
    graph = OnnxGraph()
    values: dict[fx.Node, Any] = {}
    for step in traced.graph.nodes:
        if step.op == "output":
            returned = fx.node.map_arg(step.args[0], lambda node: values[node])
            break
        values[step] = _write(graph, step, traced, values)
        names = values[step] if isinstance(values[step], tuple) else (values[step],)
        graph.shapes.update(zip(names, shapes_of(step), strict=True))
    tensors = returned if isinstance(returned, list | tuple) else (returned,)
    shape = (1, 3, network.resolution, network.resolution)
    return graph.to_model(network.name, {_INPUT: shape}, dict(zip(tensors, network.outputs, strict=True)))


def _write(graph: OnnxGraph, step: fx.Node, traced: fx.GraphModule, values: dict[fx.Node, Any]) -> Any:
    """Add one step to the graph; returns the name of its result, or a tuple of names."""
    arguments: Any = fx.node.map_arg(step.args, lambda node: values[node])
    target = str(step.target)
    if step.op == "placeholder":
        return _INPUT
    if step.op == "get_attr":
        return graph.constant(step_name(target), _attribute(traced, target))
    if step.op == "call_function":
        assert callable(step.target)
        return FUNCTIONS[step.target](graph, step.name, *arguments, **step.kwargs)
    module = traced.get_submodule(target)
    if isinstance(module, Operator):
        return module.write(graph, step_name(target), *arguments)
    return MODULES[type(module)](graph, _node_name(target, module), module, *arguments)


def _node_name(target: str, module: nn.Module) -> str:
    """A path that ends in ``activation`` is named after what the activation is."""
    return step_name(
        target.removesuffix("activation") + (type(module).__name__.lower() if target.endswith("activation") else "")
    )


def _attribute(traced: fx.GraphModule, target: str) -> torch.Tensor:
    owner, _, name = target.rpartition(".")
    value = getattr(traced.get_submodule(owner), name)
    assert isinstance(value, torch.Tensor)
    return value
