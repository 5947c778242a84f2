"""VGG-16: Simonyan and Zisserman, "Very deep convolutional networks", 2014, Table 1, configuration D."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from separable.zoo.network import Calibration, Network, check_size, thin

_SMALLEST_RESOLUTION = 32
_FULLY_CONNECTED = 4096
_DROPOUT = 0.5
# Output channels of the 3x3 convolutions of each block; a pool follows each block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(Network):
    """Logits [1, classes] of one picture.

    Args:
        alpha: width multiplier, of the fully connected layers as well.
        resolution: height and width of the picture; the first fully connected layer grows with it.
        classes: outputs of the classifier.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(self, alpha: float = 1.0, resolution: int = 224, classes: int = 1000) -> None:
        check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
        super().__init__(f"vgg16_{alpha:g}_{resolution}", resolution, ("logits",), Calibration(2, resolution, noise=1))
        last, hidden = thin(BLOCKS[-1][-1], alpha), thin(_FULLY_CONNECTED, alpha)
        self.body = vgg_body(alpha)
        self.features = nn.Flatten()
        self.fc = nn.Sequential(
            nn.Linear(last * (resolution // 32) ** 2, hidden),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
        )
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] for pictures [n, 3, resolution, resolution]."""
        logits: torch.Tensor = self.classifier(self.fc(self.features(self.body(picture))))
        return logits


def vgg_body(alpha: float, *, ceil_mode: bool = False, last_pool: bool = True) -> nn.Sequential:
    """The convolutions and pools; ``conv_4_3`` is a block of the result.

    Args:
        alpha: width multiplier.
        ceil_mode: whether pools round sizes up, as Caffe's do.
        last_pool: whether the fifth pool is there.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for number, widths in enumerate(BLOCKS, start=1):
        for index, width in enumerate(widths, start=1):
            layers[f"conv_{number}_{index}"] = conv_relu(channels, thin(width, alpha), 3)
            channels = thin(width, alpha)
        if number < len(BLOCKS) or last_pool:
            layers[f"pool_{number}"] = nn.MaxPool2d(2, 2, ceil_mode=ceil_mode)
    return nn.Sequential(layers)


def conv_relu(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, padding: int | None = None, dilation: int = 1
) -> nn.Sequential:
    """A convolution with bias and ReLU, padded by half of the filter unless ``padding`` is given."""
    if padding is None:
        padding = dilation * (kernel // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation)
    return nn.Sequential(OrderedDict(conv=conv, activation=nn.ReLU()))
