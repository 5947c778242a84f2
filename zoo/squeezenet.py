"""SqueezeNet: Iandola et al., "SqueezeNet", 2016, Table 1; version 1.1 from the authors' repository."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import nn

from separable.zoo.network import Calibration, Network, check_size, thin
from separable.zoo.vgg16 import conv_relu

Version = Literal["1.0", "1.1"]

_SMALLEST_RESOLUTION = 32
_DROPOUT = 0.5
# Channels and filter of the first convolution; squeezed and expanded channels of each fire module; the modules that a
# pool stands before (2 is the first).
_STEM: dict[Version, tuple[int, int]] = {"1.0": (96, 7), "1.1": (64, 3)}
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POOLS: dict[Version, tuple[int, ...]] = {"1.0": (2, 5, 9), "1.1": (2, 4, 6)}
_FIRST_FIRE = 2


class SqueezeNet(Network):
    """Logits [1, classes] of one picture.

    Args:
        alpha: width multiplier.
        resolution: height and width of the picture; 227 in the authors' files.
        classes: outputs of the classifier.
        version: ``1.0`` of the paper, or ``1.1`` with 2.4 times less computation.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(
        self, alpha: float = 1.0, resolution: int = 227, classes: int = 1000, version: Version = "1.0"
    ) -> None:
        check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
        super().__init__(
            f"squeezenet_{version}_{alpha:g}_{resolution}", resolution, ("logits",), Calibration(4, 128, noise=2)
        )
        channels, kernel = _STEM[version]
        width = thin(channels, alpha)
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv_1=conv_relu(3, width, kernel, stride=2, padding=0))
        for number, (squeezed, expanded) in enumerate(_FIRES, start=_FIRST_FIRE):
            if number in _POOLS[version]:
                layers[f"pool_{number - 1}"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            layers[f"fire_{number}"] = _Fire(width, thin(squeezed, alpha), thin(expanded, alpha))
            width = 2 * thin(expanded, alpha)
        layers["dropout"] = nn.Dropout(_DROPOUT)
        # The authors' file of version 1.0 pads its 1x1 filter, which adds a frame of the bias to the classes' maps.
        layers["conv_10"] = conv_relu(width, classes, 1, padding=1 if version == "1.0" else 0)
        self.body = nn.Sequential(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.features = nn.Flatten()

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] for pictures [n, 3, height, width]."""
        logits: torch.Tensor = self.features(self.pool(self.body(picture)))
        return logits


class _Fire(nn.Module):
    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = conv_relu(in_channels, squeezed, 1)
        self.expand_1 = conv_relu(squeezed, expanded, 1)
        self.expand_3 = conv_relu(squeezed, expanded, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze(x)
        return torch.cat([self.expand_1(x), self.expand_3(x)], dim=1)
