"""MobileNet V1 in torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from separable.zoo.architecture import Activation, Head, Layer, MobileNetV1, Variant
from separable.zoo.blocks import ConvBlock, Normalize
from separable.zoo.network import Calibration, Network

# The size is fixed, so that the weights of one alpha are the same at every resolution.
_PICTURES, _PICTURE_SIZE = 8, 128
# Logits are compared relative to their range, but a sigmoid that is given too much is one: its logits are small, and
# right for noise too.
_CALIBRATIONS: dict[Head, Calibration] = {
    "logits": Calibration(_PICTURES, _PICTURE_SIZE, noise=0),
    "attributes": Calibration(_PICTURES, _PICTURE_SIZE, noise=_PICTURES // 2, spread=1.0),
    "embedding": Calibration(_PICTURES, _PICTURE_SIZE, noise=_PICTURES // 2),
}
_OUTPUTS: dict[Head, str] = {"logits": "logits", "attributes": "probabilities", "embedding": "embedding"}


def detector_layers(spec: MobileNetV1) -> tuple[list[Layer], list[Layer]]:
    """The layers without the classifier in two parts, cut before the last two separable ones, as detectors use them."""
    layers = spec.layers()[:-1]
    cut = next(number for number, layer in enumerate(layers) if layer.name == "pointwise_11") + 1
    return list(layers[:cut]), list(layers[cut:])


def mobilenet_body(layers: Iterable[Layer], activation: Activation) -> nn.Sequential:
    """Convolutions as :class:`ConvBlock` under their layer names."""
    blocks = (
        ConvBlock(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.stride,
            groups=layer.groups,
            activation=activation,
        )
        for layer in layers
    )
    return nn.Sequential(OrderedDict(zip((layer.name for layer in layers), blocks, strict=True)))


def build(
    alpha: float, resolution: int, classes: int, activation: Activation, variant: Variant, head: Head
) -> MobileNetV1Network:
    """The network of ``MobileNetV1(alpha, resolution, classes, activation, variant, head)``."""
    return MobileNetV1Network(MobileNetV1(alpha, resolution, classes, activation, variant, head))


class MobileNetV1Network(Network):
    """The network of a :class:`MobileNetV1` description.

    ``body`` maps each convolution's layer name to its :class:`ConvBlock`; ``classifier`` is a linear layer. The names
    of the state dict follow: ``body.depthwise_1.conv.weight``, ``classifier.bias``. The head gives ``logits``,
    independent ``probabilities`` of attributes, or an ``embedding`` of length one.
    """

    def __init__(self, spec: MobileNetV1) -> None:
        super().__init__(spec.name, spec.resolution, (_OUTPUTS[spec.head],), _CALIBRATIONS[spec.head])
        self.spec = spec
        *convolutions, classifier = spec.layers()
        self.body = mobilenet_body(convolutions, spec.activation)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.features = nn.Flatten()
        self.classifier = nn.Linear(classifier.in_channels, classifier.out_channels)
        heads = {"logits": nn.Identity, "attributes": nn.Sigmoid, "embedding": Normalize}
        self.head = heads[spec.head]()

    def blocks(self) -> Iterator[tuple[str, ConvBlock]]:
        """Every convolution's layer name and block, in the order they run."""
        for name, block in self.body.named_children():
            assert isinstance(block, ConvBlock)
            yield name, block

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Results [n, classes] for pictures [n, 3, height, width]."""
        result: torch.Tensor = self.head(self.classifier(self.features(self.pool(self.body(picture)))))
        return result
