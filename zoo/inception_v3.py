"""Inception V3: Szegedy et al., "Rethinking the Inception architecture", 2015, Table 1 and Figures 5, 6, 7 and 10.

Widths are those of TensorFlow's model library; without the auxiliary classifier.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from separable.zoo.blocks import ConvBlock, Size
from separable.zoo.network import Calibration, PooledClassifier, check_size, thin

_SMALLEST_RESOLUTION = 75
_DROPOUT = 0.2
_POOLED_35 = (32, 64, 64)
_SEVENS = (128, 160, 160, 192)


class InceptionV3(PooledClassifier):
    """Logits [1, classes] of one picture.

    Args:
        alpha: width multiplier.
        resolution: height and width of the picture.
        classes: outputs of the classifier.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(self, alpha: float = 1.0, resolution: int = 299, classes: int = 1000) -> None:
        check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
        c1, c2, c3, c4, width = (thin(channels, alpha) for channels in (32, 32, 64, 80, 192))
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv_1a=ConvBlock(3, c1, 3, 2, padding=0),
            conv_2a=ConvBlock(c1, c2, 3, padding=0),
            conv_2b=ConvBlock(c2, c3, 3),
            pool_3a=nn.MaxPool2d(3, 2),
            conv_3b=ConvBlock(c3, c4),
            conv_4a=ConvBlock(c4, width, 3, padding=0),
            pool_5a=nn.MaxPool2d(3, 2),
        )
        for suffix, pooled in zip("bcd", _POOLED_35, strict=True):
            layers[f"mixed_5{suffix}"], width = _mixed_35(width, alpha, pooled)
        layers["mixed_6a"], width = _reduction_17(width, alpha)
        for suffix, inner in zip("bcde", _SEVENS, strict=True):
            layers[f"mixed_6{suffix}"], width = _mixed_17(width, alpha, inner)
        layers["mixed_7a"], width = _reduction_8(width, alpha)
        for suffix in "bc":
            layers[f"mixed_7{suffix}"], width = _mixed_8(width, alpha)
        super().__init__(
            f"inception_v3_{alpha:g}_{resolution}",
            resolution,
            Calibration(8, 128, noise=4),
            nn.Sequential(layers),
            width,
            classes,
            _DROPOUT,
        )


class _Branches(nn.Module):
    """Branches of the same input, concatenated in their order."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def _chain(in_channels: int, *layers: tuple[int, Size]) -> nn.Sequential:
    """Convolutions of (output channels, filter) one after the other."""
    blocks = []
    for out_channels, kernel in layers:
        blocks.append(ConvBlock(in_channels, out_channels, kernel))
        in_channels = out_channels
    return nn.Sequential(*blocks)


def _pooled(in_channels: int, out_channels: int) -> nn.Sequential:
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Sequential(OrderedDict(pool=pool, project=ConvBlock(in_channels, out_channels)))


def _mixed_35(width: int, alpha: float, pooled: int) -> tuple[nn.Module, int]:
    """Figure 5: 5x5 filters as two of 3x3."""
    a48, a64, a96, last = (thin(channels, alpha) for channels in (48, 64, 96, pooled))
    module = _Branches(
        branch_1=_chain(width, (a64, 1)),
        branch_2=_chain(width, (a48, 1), (a64, 5)),
        branch_3=_chain(width, (a64, 1), (a96, 3), (a96, 3)),
        branch_4=_pooled(width, last),
    )
    return module, 2 * a64 + a96 + last


def _reduction_17(width: int, alpha: float) -> tuple[nn.Module, int]:
    a64, a96, a384 = (thin(channels, alpha) for channels in (64, 96, 384))
    module = _Branches(
        branch_1=ConvBlock(width, a384, 3, 2, padding=0),
        branch_2=nn.Sequential(_chain(width, (a64, 1), (a96, 3)), ConvBlock(a96, a96, 3, 2, padding=0)),
        pool=nn.MaxPool2d(3, 2),
    )
    return module, a384 + a96 + width


def _mixed_17(width: int, alpha: float, inner: int) -> tuple[nn.Module, int]:
    """Figure 6: 7x7 filters as 1x7 and 7x1."""
    c, a192 = thin(inner, alpha), thin(192, alpha)
    module = _Branches(
        branch_1=_chain(width, (a192, 1)),
        branch_2=_chain(width, (c, 1), (c, (1, 7)), (a192, (7, 1))),
        branch_3=_chain(width, (c, 1), (c, (7, 1)), (c, (1, 7)), (c, (7, 1)), (a192, (1, 7))),
        branch_4=_pooled(width, a192),
    )
    return module, 4 * a192


def _reduction_8(width: int, alpha: float) -> tuple[nn.Module, int]:
    a192, a320 = thin(192, alpha), thin(320, alpha)
    module = _Branches(
        branch_1=nn.Sequential(ConvBlock(width, a192), ConvBlock(a192, a320, 3, 2, padding=0)),
        branch_2=nn.Sequential(
            _chain(width, (a192, 1), (a192, (1, 7)), (a192, (7, 1))), ConvBlock(a192, a192, 3, 2, padding=0)
        ),
        pool=nn.MaxPool2d(3, 2),
    )
    return module, a320 + a192 + width


def _mixed_8(width: int, alpha: float) -> tuple[nn.Module, int]:
    """Figure 7: 3x3 filters as 1x3 and 3x1 side by side."""
    a192, a320, a384, a448 = (thin(channels, alpha) for channels in (192, 320, 384, 448))

    def fork() -> nn.Module:
        return _Branches(wide=ConvBlock(a384, a384, (1, 3)), high=ConvBlock(a384, a384, (3, 1)))

    module = _Branches(
        branch_1=_chain(width, (a320, 1)),
        branch_2=nn.Sequential(ConvBlock(width, a384), fork()),
        branch_3=nn.Sequential(_chain(width, (a448, 1), (a384, 3)), fork()),
        branch_4=_pooled(width, a192),
    )
    return module, a320 + 4 * a384 + a192
