from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch

from separable.zoo.architecture import MobileNetV1
from separable.zoo.catalogue import build
from separable.zoo.cost import Cost, network_cost
from separable.zoo.count import count_layers, shares, total_of
from separable.zoo.mobilenet_v1 import MobileNetV1Network


def counted(name: str, **options: Any) -> Cost:
    with torch.device("meta"):
        return total_of(count_layers(build(name, **options)))


@pytest.mark.parametrize("spec", [MobileNetV1(), MobileNetV1(0.3, 97, 11), MobileNetV1(variant="full")])
def test_mobilenet_costs_what_its_description_says(spec: MobileNetV1) -> None:
    assert total_of(count_layers(MobileNetV1Network(spec))) == network_cost(spec)


@pytest.mark.parametrize(
    ("name", "parameters"),
    # As these networks are known, from their authors' files.
    [
        ("alexnet", 60_965_224),
        ("vgg16", 138_357_544),
        ("squeezenet-1.0", 1_248_424),
        ("squeezenet-1.1", 1_235_496),
        ("googlenet", 6_998_552),
    ],
)
def test_parameters_are_those_of_the_published_networks(name: str, parameters: int) -> None:
    assert counted(name).parameters == parameters


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("ssd-mobilenet", 3_191_072), ("ssd-inception-v2", 10_173_112), ("inception-v3", 21_802_784)],
)
def test_bodies_are_those_of_tensorflow(name: str, parameters: int) -> None:
    """Huang et al., "Speed/accuracy trade-offs", Table 2, counts some of batch normalisation as well."""
    with torch.device("meta"):
        layers = count_layers(build(name))
    heads = ("classifier", "boxes", "scores", *(f"stages_{number}" for number in range(2, 6)))
    body = total_of(layer for layer in layers if not layer.name.startswith(heads))
    assert body.parameters == pytest.approx(parameters, rel=0.006)


def test_a_layer_runs_once_for_each_region() -> None:
    few, many = (counted("faster-rcnn-mobilenet", resolution=128, proposals=count) for count in (10, 30))
    some = counted("faster-rcnn-mobilenet", resolution=128, proposals=20)
    assert many.mult_adds - some.mult_adds == some.mult_adds - few.mult_adds > 0
    assert few.parameters == many.parameters


def test_layer_types_are_named_as_in_table_2() -> None:
    with torch.device("meta"):
        by_type = shares(count_layers(build("mobilenet-v1")))
    assert list(by_type) == ["Conv 1x1", "Conv DW 3x3", "Conv 3x3", "Fully connected"]
    with torch.device("meta"):
        assert "Conv 5x5, 2 groups" in shares(count_layers(build("alexnet")))
