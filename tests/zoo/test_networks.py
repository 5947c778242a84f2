"""Every network of the zoo: what ONNX Runtime computes from the file is what torch computes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import onnx
import onnxruntime
import torch

from separable.zoo.catalogue import CATALOGUE, build
from separable.zoo.count import count_layers
from separable.zoo.drawing import draw_weights
from separable.zoo.export import to_onnx
from separable.zoo.network import Network

from .small import CLASSIFIERS, DETECTORS

SMALL = {**CLASSIFIERS, **DETECTORS}


def picture(network: Network) -> np.ndarray:
    """A picture of smooth patches, float32 [1, 3, resolution, resolution]."""
    patches = np.random.default_rng(3).uniform(-1, 1, (1, 3, 7, 7)).astype(np.float32)
    cell = np.arange(network.resolution) * 7 // network.resolution
    return np.ascontiguousarray(patches[:, :, cell[:, None], cell])


@cache
def exported(name: str) -> tuple[Network, onnx.ModelProto]:
    network = build(name, **SMALL[name])
    draw_weights(network, seed=1)
    return network, to_onnx(network)


def run_both(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What ONNX Runtime and torch compute."""
    network, model = exported(name)
    x = picture(network)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    with torch.no_grad():
        expected = network(torch.from_numpy(x))
    results = expected if isinstance(expected, tuple) else (expected,)
    return session.run(list(network.outputs), {"input": x}), [result.numpy() for result in results]


def operators(name: str) -> set[str]:
    return {node.op_type for node in exported(name)[1].graph.node}


def test_all_networks_are_tested() -> None:
    assert CLASSIFIERS.keys() | DETECTORS.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_onnx_runtime_computes_what_torch_computes(name: str) -> None:
    (result,), (expected,) = run_both(name)
    assert result.shape == expected.shape
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("name", DETECTORS)
def test_onnx_runtime_detects_what_torch_detects(name: str) -> None:
    results, expected = run_both(name)
    boxes, scores, classes, count = results
    assert [result.shape for result in results] == [result.shape for result in expected]
    assert boxes.shape == (*scores.shape, 4)
    assert classes.shape == scores.shape
    assert count == expected[3]
    assert count > 1
    np.testing.assert_allclose(scores, expected[1], atol=1e-4)
    found, options = int(count[0]), CATALOGUE[name].complete(DETECTORS[name])
    resolution = options.get("resolution", 300)
    assert ((classes[0, :found] >= 1) & (classes[0, :found] <= options["classes"])).all()
    assert ((boxes >= 0) & (boxes <= resolution)).all()
    assert all(not array[0, found:].any() for array in (boxes, scores, classes))
    # Boxes of nearly equal scores may change places: each has to be among those of torch with its class and score.
    for number in range(found):
        alike = (expected[2][0] == classes[0, number]) & (np.abs(expected[1][0] - scores[0, number]) < 1e-4)
        distance = np.abs(expected[0][0][alike] - boxes[0, number]).max(axis=1)
        assert distance.min(initial=np.inf) < 1e-3 * resolution, number


@pytest.mark.parametrize("name", [*CLASSIFIERS, *DETECTORS])
def test_what_is_counted_is_what_the_file_holds(name: str) -> None:
    """Weights of the Conv and Gemm nodes, from the file alone."""
    network, model = exported(name)
    graph = model.graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    layers = count_layers(network)
    assert [node.name for node in nodes] == [layer.name for layer in layers]
    assert [sum(sizes[name] for name in node.input[1:]) for node in nodes] == [
        layer.cost.parameters for layer in layers
    ]


@pytest.mark.parametrize("name", [*CLASSIFIERS, *DETECTORS])
def test_names_in_the_file_are_unique(name: str) -> None:
    graph = exported(name)[1].graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    read = {tensor for node in graph.node for tensor in node.input}
    assert [tensor.name for tensor in graph.initializer if tensor.name not in read] == []


def test_operators_are_those_of_the_papers() -> None:
    assert {"LRN", "Concat", "Dropout", "MaxPool"} <= operators("googlenet")
    assert "LRN" in operators("alexnet")
    assert "Sigmoid" in operators("mobilenet-face-attributes")
    detector = operators("faster-rcnn-mobilenet")
    assert {"NonMaxSuppression", "RoiAlign", "TopK"} <= detector


def test_alexnet_has_two_groups() -> None:
    graph = exported("alexnet")[1].graph
    groups = [onnx.helper.get_node_attr_value(node, "group") for node in graph.node if node.op_type == "Conv"]
    assert groups == [1, 2, 1, 2, 2]


def test_an_embedding_has_length_one() -> None:
    (embedding,), _ = run_both("mobilenet-face-embedding")
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_attributes_are_independent_probabilities() -> None:
    (attributes,), _ = run_both("mobilenet-face-attributes")
    assert ((attributes > 0) & (attributes < 1)).all()
    assert attributes.sum() != pytest.approx(1)
