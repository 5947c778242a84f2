from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import onnx
import onnxruntime
import torch

from separable.zoo.architecture import Activation, MobileNetV1
from separable.zoo.cost import network_cost
from separable.zoo.drawing import draw_weights
from separable.zoo.export import export_mobilenet_v1, to_onnx
from separable.zoo.mobilenet_v1 import MobileNetV1Network

SMALL = MobileNetV1(alpha=0.25, resolution=64, classes=10)


def counted_cost(model: onnx.ModelProto) -> tuple[int, int]:
    """Mult-adds and parameters of the Conv and Gemm nodes, from the file alone."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    mult_adds = parameters = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            parameters += sum(sizes[name] for name in node.input[1:])
            mult_adds += sizes[node.input[1]] * int(np.prod(shapes[node.output[0]][2:]))
    return mult_adds, parameters


@pytest.mark.parametrize(("alpha", "resolution"), [*itertools.product((1.0, 0.75, 0.5, 0.25), (224, 192, 160, 128))])
def test_the_file_costs_what_the_architecture_says(alpha: float, resolution: int) -> None:
    spec = MobileNetV1(alpha, resolution)
    cost = network_cost(spec)
    assert counted_cost(to_onnx(MobileNetV1Network(spec))) == (cost.mult_adds, cost.parameters)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_onnx_runtime_computes_what_torch_computes(activation: Activation, tmp_path: Path) -> None:
    spec = MobileNetV1(alpha=0.25, resolution=64, classes=10, activation=activation)
    network = MobileNetV1Network(spec)
    draw_weights(network, seed=0)
    export_mobilenet_v1(spec, tmp_path / "model.onnx", seed=0)
    picture = np.random.default_rng(1).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    (logits,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(["logits"], {"input": picture})
    with torch.no_grad():
        expected = network(torch.from_numpy(picture)).numpy()
    assert logits.shape == (1, 10)
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.ptp(expected))


def test_batch_normalisation_stays_a_node_of_its_own() -> None:
    operators = [node.op_type for node in to_onnx(MobileNetV1Network(SMALL)).graph.node]
    assert operators == [*["Conv", "BatchNormalization", "Relu"] * 27, "GlobalAveragePool", "Flatten", "Gemm"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.onnx", "again.onnx", "other.onnx"))
    export_mobilenet_v1(SMALL, first, seed=3)
    export_mobilenet_v1(SMALL, again, seed=3)
    export_mobilenet_v1(SMALL, other, seed=4)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_given_weights_are_the_ones_exported(tmp_path: Path) -> None:
    network = MobileNetV1Network(SMALL)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    export_mobilenet_v1(SMALL, tmp_path / "model.onnx", weights=tmp_path / "weights.pt")
    initializers = {tensor.name: tensor for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    exported = onnx.numpy_helper.to_array(initializers["pointwise_5.weight"])
    np.testing.assert_array_equal(exported, network.state_dict()["body.pointwise_5.conv.weight"].numpy())


def test_a_failed_export_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(OSError, match=r"model\.onnx"):
        export_mobilenet_v1(SMALL, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
