from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch
from torch import nn

from separable.zoo.architecture import Activation, MobileNetV1
from separable.zoo.catalogue import build
from separable.zoo.drawing import draw_weights
from separable.zoo.mobilenet_v1 import MobileNetV1Network

SPEC = MobileNetV1(alpha=0.25, resolution=64, classes=10)


def drawn(spec: MobileNetV1) -> MobileNetV1Network:
    network = MobileNetV1Network(spec)
    draw_weights(network, seed=0)
    return network


def patchwork(count: int) -> torch.Tensor:
    """Pictures [count, 3, 96, 96] of coloured patches: smooth within, as photos are, and unlike each other."""
    patches = np.random.default_rng(1).uniform(-1, 1, (count, 3, 6, 6)).astype(np.float32)
    return torch.from_numpy(patches.repeat(16, axis=2).repeat(16, axis=3))


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_activations_keep_their_scale_through_the_depth(alpha: float, activation: Activation) -> None:
    network = drawn(MobileNetV1(alpha=alpha, resolution=96, activation=activation))
    x = patchwork(count=2)
    with torch.no_grad():
        for name, block in network.blocks():
            x = block(x)
            assert 0.1 < float(x.std()) < 4, name
            assert 0.1 < float((x == 0).float().mean()) < 0.9, name


def test_answers_are_neither_flat_nor_all_the_same() -> None:
    network = drawn(MobileNetV1(alpha=0.5, resolution=96))
    with torch.no_grad():
        logits = network(patchwork(count=8))
    assert 0.5 < float(logits.std()) < 10
    assert len(set(logits.argmax(dim=1).tolist())) > 1


def test_batch_norm_statistics_are_not_trivial() -> None:
    for name, block in drawn(SPEC).blocks():
        assert block.bn.running_mean is not None
        assert block.bn.running_var is not None
        for statistic in (block.bn.running_mean, block.bn.running_var, block.bn.weight, block.bn.bias):
            assert float(statistic.detach().std()) > 0.01, name


def test_weights_are_the_same_at_every_resolution() -> None:
    other = drawn(MobileNetV1(alpha=0.25, resolution=224, classes=10)).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in drawn(SPEC).state_dict().items())


@pytest.mark.parametrize(
    ("name", "resolution"), [("vgg16", 48), ("alexnet", 93), ("googlenet", 64), ("inception-v2", 64)]
)
def test_layers_without_batch_normalisation_keep_their_scale_too(name: str, resolution: int) -> None:
    network = build(name, alpha=0.25, resolution=resolution, classes=10)
    draw_weights(network, seed=0)
    spreads: dict[str, float] = {}

    def watch(name: str) -> None:
        def note(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            spreads[name] = float(output.std())

        network.get_submodule(name).register_forward_hook(note)

    for layer, module in network.named_modules():
        if isinstance(module, nn.ReLU):
            watch(layer)
    with torch.no_grad():
        network(patchwork(count=2)[:, :, :resolution, :resolution])
    assert len(spreads) >= 7
    assert {name: spread for name, spread in spreads.items() if not 0.05 < spread < 10} == {}


def test_a_layer_of_one_pixel_is_filled_as_well() -> None:
    """The last map of SSD has a single pixel, of which no variance can be measured."""
    network = build("ssd-mobilenet", alpha=0.125, resolution=64, classes=3)
    draw_weights(network, seed=0)
    assert all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


@pytest.mark.parametrize("name", ["ssd-mobilenet", "faster-rcnn-mobilenet"])
def test_a_detector_s_scores_differ_for_noise_as_for_pictures(name: str) -> None:
    """Scores that are all one have no order, and nothing could be compared."""
    network = build(name, alpha=0.25, resolution=128, classes=5)
    draw_weights(network, seed=0)
    noise = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 3, 128, 128)).astype(np.float32))
    for x in (noise, noise.clamp(-1, 1), patchwork(count=2)[:1].repeat(1, 1, 2, 2)[:, :, :128, :128]):
        with torch.no_grad():
            _, scores, _, count = network(x)
        found = scores[0, : int(count)]
        assert len(set(found.tolist())) > 0.9 * len(found) > 9
        assert float(found.max()) < 1
