"""From a torch network to an ONNX file.

The graph is written node by node instead of traced: torch's exporters fold batch normalisation into the convolutions,
number nodes and record source lines by their version, while a compiler wants the network as it was trained and the same
bytes every time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from separable.zoo.architecture import MobileNetV1
from separable.zoo.mobilenet_v1 import MobileNetV1Network
from separable.zoo.weights import draw_weights, load_weights

_OPSET = 13
_IR_VERSION = 8


def export_mobilenet_v1(spec: MobileNetV1, path: Path, *, seed: int = 0, weights: Path | None = None) -> None:
    """Write MobileNet V1 to ``path`` as ONNX, batch normalisation unfused.

    The file maps ``input``, float32 [1, 3, resolution, resolution], to ``logits``, float32 [1, classes]. Its weights
    are those of the state dict ``weights``, or else drawn from ``seed``. It appears whole or not at all.

    Raises:
        WeightsError: ``weights`` does not fit the network.
        OSError: a file cannot be read or written.
    """
    network = MobileNetV1Network(spec)
    if weights is None:
        draw_weights(network, seed)
    else:
        load_weights(network, weights)
    _write_atomically(path, to_onnx(network).SerializeToString(deterministic=True))


def to_onnx(network: MobileNetV1Network) -> onnx.ModelProto:
    """The network as an ONNX model of opset 13."""
    spec = network.spec
    graph = _Graph("input")
    for name, block in network.blocks():
        graph.convolution(name, block.conv)
        graph.batch_norm(f"{name}_bn", block.bn)
        graph.activation(f"{name}_{spec.activation}", block.activation)
    graph.classifier(network.classifier)
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, spec.resolution, spec.resolution])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, spec.classes])
    model = helper.make_model(
        helper.make_graph(graph.nodes, spec.name, [picture], [logits], graph.initializers),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="separable",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """A chain of nodes; each takes the output of the one before, which has its node's name."""

    def __init__(self, input_name: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._last = input_name

    def convolution(self, name: str, conv: nn.Conv2d) -> None:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        self._append(
            "Conv",
            name,
            {"weight": conv.weight},
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=conv.groups,
        )

    def batch_norm(self, name: str, bn: nn.BatchNorm2d) -> None:
        assert bn.running_mean is not None
        assert bn.running_var is not None
        parameters = {"scale": bn.weight, "shift": bn.bias, "mean": bn.running_mean, "variance": bn.running_var}
        self._append("BatchNormalization", name, parameters, epsilon=bn.eps)

    def activation(self, name: str, activation: nn.Module) -> None:
        if isinstance(activation, nn.ReLU6):
            self._append("Clip", name, {"min": torch.tensor(0.0), "max": torch.tensor(6.0)})
        else:
            self._append("Relu", name, {})

    def classifier(self, linear: nn.Linear) -> None:
        self._append("GlobalAveragePool", "pool", {})
        self._append("Flatten", "features", {})
        parameters = {"weight": linear.weight, "bias": linear.bias}
        self._append("Gemm", "logits", parameters, transB=1)

    def _append(self, operator: str, name: str, parameters: dict[str, torch.Tensor], **attributes: Any) -> None:
        names = [f"{name}.{parameter}" for parameter in parameters]
        self.initializers += [
            numpy_helper.from_array(np.ascontiguousarray(value.detach().numpy()), tensor_name)
            for tensor_name, value in zip(names, parameters.values(), strict=True)
        ]
        self.nodes.append(helper.make_node(operator, [self._last, *names], [name], name=name, **attributes))
        self._last = name


def _write_atomically(path: Path, data: bytes) -> None:
    """Write beside the target and rename: an interrupted export leaves what was there before."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
