"""AlexNet: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012, section 3.5.

The two halves that ran on two GPUs are the two groups of the second, fourth and fifth convolution.
"""

from __future__ import annotations

import torch
from torch import nn

from separable.zoo.network import Calibration, Network, check_size, thin

# The smallest picture that leaves a pixel after three pools.
_SMALLEST_RESOLUTION = 67
# Size, alpha (which torch and ONNX divide by the size), beta and bias: section 3.3.
_LRN = (5, 5e-4, 0.75, 2.0)
_GROUPS = 2
_FULLY_CONNECTED = 4096
_DROPOUT = 0.5


class AlexNet(Network):
    """Logits [1, classes] of one picture.

    Args:
        alpha: width multiplier, of the fully connected layers as well.
        resolution: height and width of the picture. The paper says 224, but its 55x55 outputs of the first
            convolution need 227.
        classes: outputs of the classifier.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(self, alpha: float = 1.0, resolution: int = 227, classes: int = 1000) -> None:
        check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
        super().__init__(
            f"alexnet_{alpha:g}_{resolution}", resolution, ("logits",), Calibration(2, resolution, noise=1)
        )
        c1, c2, c3, c4, c5 = (thin(channels, alpha, _GROUPS) for channels in (96, 256, 384, 384, 256))
        hidden = thin(_FULLY_CONNECTED, alpha)
        size = (resolution - 11) // 4 + 1
        for _ in range(3):
            size = (size - 3) // 2 + 1
        self.conv_1 = nn.Conv2d(3, c1, 11, stride=4)
        self.relu_1 = nn.ReLU()
        self.norm_1 = nn.LocalResponseNorm(*_LRN)
        self.pool_1 = nn.MaxPool2d(3, stride=2)
        self.conv_2 = nn.Conv2d(c1, c2, 5, padding=2, groups=_GROUPS)
        self.relu_2 = nn.ReLU()
        self.norm_2 = nn.LocalResponseNorm(*_LRN)
        self.pool_2 = nn.MaxPool2d(3, stride=2)
        self.conv_3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.relu_3 = nn.ReLU()
        self.conv_4 = nn.Conv2d(c3, c4, 3, padding=1, groups=_GROUPS)
        self.relu_4 = nn.ReLU()
        self.conv_5 = nn.Conv2d(c4, c5, 3, padding=1, groups=_GROUPS)
        self.relu_5 = nn.ReLU()
        self.pool_5 = nn.MaxPool2d(3, stride=2)
        self.features = nn.Flatten()
        self.fc_6 = nn.Linear(c5 * size**2, hidden)
        self.relu_6 = nn.ReLU()
        self.dropout_6 = nn.Dropout(_DROPOUT)
        self.fc_7 = nn.Linear(hidden, hidden)
        self.relu_7 = nn.ReLU()
        self.dropout_7 = nn.Dropout(_DROPOUT)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] for pictures [n, 3, resolution, resolution]."""
        # The children are in the order they run.
        for layer in self.children():
            picture = layer(picture)
        return picture
