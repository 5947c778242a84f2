"""GoogLeNet: Szegedy et al., "Going deeper with convolutions", 2015, Table 1; without the auxiliary classifiers."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from separable.zoo.network import Calibration, PooledClassifier, check_size, thin

_SMALLEST_RESOLUTION = 32
# Size, alpha, beta and bias of the normalisation over neighbouring channels, as in AlexNet.
_LRN = (5, 1e-4, 0.75, 1.0)
_DROPOUT = 0.4
# Outputs of each module: 1x1; 1x1 then 3x3; 1x1 then 5x5; pool then 1x1. "pool" stands between them.
_MODULES: dict[str, tuple[int, int, int, int, int, int] | None] = {
    "pool_2": None,
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "pool_3": None,
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "pool_4": None,
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(PooledClassifier):
    """Logits [1, classes] of one picture.

    Args:
        alpha: width multiplier.
        resolution: height and width of the picture.
        classes: outputs of the classifier.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(self, alpha: float = 1.0, resolution: int = 224, classes: int = 1000) -> None:
        check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
        stem, reduced, width = (thin(channels, alpha) for channels in (64, 64, 192))
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv_1=_convolution(3, stem, 7, stride=2),
            pool_1=_pool(),
            norm_1=nn.LocalResponseNorm(*_LRN),
            conv_2_reduce=_convolution(stem, reduced, 1),
            conv_2=_convolution(reduced, width, 3),
            norm_2=nn.LocalResponseNorm(*_LRN),
        )
        for name, outputs in _MODULES.items():
            if outputs is None:
                layers[name] = _pool()
            else:
                module = _Inception(width, [thin(channels, alpha) for channels in outputs])
                layers[name], width = module, module.width
        super().__init__(
            f"googlenet_{alpha:g}_{resolution}",
            resolution,
            Calibration(4, 128, noise=2),
            nn.Sequential(layers),
            width,
            classes,
            _DROPOUT,
        )


class _Inception(nn.Module):
    def __init__(self, in_channels: int, outputs: list[int]) -> None:
        super().__init__()
        one, reduce_3, three, reduce_5, five, pooled = outputs
        self.width = one + three + five + pooled
        self.branch_1 = _convolution(in_channels, one, 1)
        self.branch_3_reduce = _convolution(in_channels, reduce_3, 1)
        self.branch_3 = _convolution(reduce_3, three, 3)
        self.branch_5_reduce = _convolution(in_channels, reduce_5, 1)
        self.branch_5 = _convolution(reduce_5, five, 5)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.branch_pool = _convolution(in_channels, pooled, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [
            self.branch_1(x),
            self.branch_3(self.branch_3_reduce(x)),
            self.branch_5(self.branch_5_reduce(x)),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(branches, dim=1)


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    return nn.Sequential(OrderedDict(conv=conv, activation=nn.ReLU()))


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)
