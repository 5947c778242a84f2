from __future__ import annotations

import itertools
from typing import Any

import pytest

from separable.zoo.architecture import MobileNetV1


def test_the_layers_are_those_of_table_1() -> None:
    layers = MobileNetV1().layers()
    assert len(layers) == 28
    assert [layer.kind for layer in layers] == ["conv", *["depthwise", "pointwise"] * 13, "classifier"]
    assert [layer.in_size for layer in layers if layer.kind == "depthwise"] == [
        *(112, 112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7)
    ]
    assert [layer.out_channels for layer in layers if layer.kind == "pointwise"] == [
        *(64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    ]


def test_each_layer_takes_what_the_one_before_gives() -> None:
    layers = MobileNetV1(alpha=0.3, resolution=97).layers()
    for before, layer in itertools.pairwise(layers[:-1]):
        assert (layer.in_channels, layer.in_size) == (before.out_channels, before.out_size)


def test_alpha_thins_every_layer_but_the_picture_and_the_classes() -> None:
    full, thin = MobileNetV1().layers(), MobileNetV1(alpha=0.25).layers()
    assert thin[0].in_channels == 3
    assert thin[-1].out_channels == 1000
    assert all(4 * a.out_channels == b.out_channels for a, b in zip(thin[:-1], full[:-1], strict=True))


def test_the_name_tells_alpha_and_resolution() -> None:
    assert MobileNetV1().name == "mobilenet_v1_1_224"
    assert MobileNetV1(alpha=0.75, resolution=192).name == "mobilenet_v1_0.75_192"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 0.0}, "alpha 0.0"),
        ({"alpha": 1.5}, "alpha 1.5"),
        ({"alpha": float("nan")}, "alpha nan"),
        ({"resolution": 31}, "resolution 31"),
        ({"classes": 0}, "0 classes"),
        ({"activation": "swish"}, "'swish'"),
    ],
)
def test_values_out_of_range_are_an_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MobileNetV1(**values)


def test_conv_mobilenet_has_one_full_convolution_for_each_pair() -> None:
    layers = MobileNetV1(variant="full").layers()
    assert [layer.kind for layer in layers] == ["conv"] * 14 + ["classifier"]
    pointwise = [layer for layer in MobileNetV1().layers() if layer.kind == "pointwise"]
    assert [(x.in_channels, x.out_channels, x.out_size) for x in layers[1:-1]] == [
        (x.in_channels, x.out_channels, x.out_size) for x in pointwise
    ]


def test_shallow_mobilenet_lacks_the_five_layers_of_14x14x512() -> None:
    full = [(x.in_channels, x.out_channels, x.kernel, x.stride, x.in_size) for x in MobileNetV1().layers()]
    shallow = [
        (x.in_channels, x.out_channels, x.kernel, x.stride, x.in_size) for x in MobileNetV1(variant="shallow").layers()
    ]
    assert len(shallow) == 28 - 10
    assert shallow == full[:13] + full[23:]


def test_the_name_tells_the_variant() -> None:
    assert MobileNetV1(variant="full").name == "conv_mobilenet_v1_1_224"
    assert MobileNetV1(variant="shallow").name == "shallow_mobilenet_v1_1_224"
