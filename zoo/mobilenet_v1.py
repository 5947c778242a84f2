"""MobileNet V1 in torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import nn

from separable.zoo.architecture import Activation, Layer, MobileNetV1

# TensorFlow's value for these networks; torch's own default is 1e-5.
_BN_EPSILON = 1e-3


class ConvBlock(nn.Module):
    """A convolution without bias, batch normalisation and the activation."""

    def __init__(self, layer: Layer, activation: Activation) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.stride,
            padding=layer.kernel // 2,
            groups=layer.groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(layer.out_channels, eps=_BN_EPSILON)
        self.activation = nn.ReLU() if activation == "relu" else nn.ReLU6()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activation [n, out_channels, out_size, out_size] of the input [n, in_channels, in_size, in_size]."""
        y: torch.Tensor = self.activation(self.bn(self.conv(x)))
        return y


class MobileNetV1Network(nn.Module):
    """The network of a :class:`MobileNetV1` description.

    ``body`` maps each convolution's layer name to its :class:`ConvBlock`; ``classifier`` is a linear layer. The names
    of the state dict follow: ``body.depthwise_1.conv.weight``, ``classifier.bias``.
    """

    def __init__(self, spec: MobileNetV1) -> None:
        super().__init__()
        self.spec = spec
        *convolutions, classifier = spec.layers()
        self.body = nn.Sequential(
            OrderedDict((layer.name, ConvBlock(layer, spec.activation)) for layer in convolutions)
        )
        self.classifier = nn.Linear(classifier.in_channels, classifier.out_channels)

    def blocks(self) -> Iterator[tuple[str, ConvBlock]]:
        """Every convolution's layer name and block, in the order they run."""
        for name, block in self.body.named_children():
            assert isinstance(block, ConvBlock)
            yield name, block

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] for pictures [n, 3, height, width]."""
        logits: torch.Tensor = self.classifier(self.body(picture).mean(dim=(2, 3)))
        return logits
