"""Inception V2: Ioffe and Szegedy, "Batch normalization", 2015, Figure 5, as TensorFlow's model library has it.

Its first convolution is separable, with eight filters for each colour; all padding is TensorFlow's, to
``ceil(size / stride)`` pixels with the odd one at the end.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from separable.zoo.blocks import ConvBlock, SameConv2d, SameMaxPool2d
from separable.zoo.network import Calibration, PooledClassifier, check_size, thin

_SMALLEST_RESOLUTION = 32
_STEM_MULTIPLIER = 8
_DROPOUT = 0.2
# Outputs of each module: 1x1; 1x1 then 3x3; 1x1 then two 3x3; pool then 1x1, and the kind of this pool.
_MODULES: dict[str, tuple[int, int, int, int, int, int, str]] = {
    "mixed_3b": (64, 64, 64, 64, 96, 32, "average"),
    "mixed_3c": (64, 64, 96, 64, 96, 64, "average"),
    "mixed_4b": (224, 64, 96, 96, 128, 128, "average"),
    "mixed_4c": (192, 96, 128, 96, 128, 128, "average"),
    "mixed_4d": (160, 128, 160, 128, 160, 96, "average"),
    "mixed_4e": (96, 128, 192, 160, 192, 96, "average"),
    "mixed_5b": (352, 192, 320, 160, 224, 128, "average"),
    "mixed_5c": (352, 192, 320, 192, 224, 128, "max"),
}
# Modules of stride 2: 1x1 then 3x3; 1x1 then two 3x3; and a pool.
_REDUCTIONS: dict[str, tuple[int, int, int, int]] = {"mixed_4a": (128, 160, 64, 96), "mixed_5a": (128, 192, 192, 256)}
_ORDER = ("3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b", "5c")


class InceptionV2(PooledClassifier):
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
        body, widths = inception_v2_body(alpha)
        width = widths["mixed_5c"]
        super().__init__(
            f"inception_v2_{alpha:g}_{resolution}",
            resolution,
            Calibration(8, 128, noise=4),
            body,
            width,
            classes,
            _DROPOUT,
        )


def inception_v2_body(alpha: float) -> tuple[nn.Sequential, dict[str, int]]:
    """Everything before the classifier, and the output channels of each module."""
    stem, reduced, width = (thin(channels, alpha) for channels in (64, 64, 192))
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv_1_depthwise=SameConv2d(3, 3 * _STEM_MULTIPLIER, 7, stride=2, groups=3, bias=False),
        conv_1_pointwise=ConvBlock(3 * _STEM_MULTIPLIER, stem),
        pool_1=SameMaxPool2d(3, stride=2),
        conv_2_reduce=ConvBlock(stem, reduced),
        conv_2=ConvBlock(reduced, width, 3),
        pool_2=SameMaxPool2d(3, stride=2),
    )
    widths = {}
    for name in (f"mixed_{suffix}" for suffix in _ORDER):
        if name in _REDUCTIONS:
            reduction = [thin(channels, alpha) for channels in _REDUCTIONS[name]]
            layers[name] = _Reduction(width, reduction)
            width += reduction[1] + reduction[3]
        else:
            *channels, kind = _MODULES[name]
            outputs = [thin(int(count), alpha) for count in channels]
            layers[name] = _Mixed(width, outputs, kind)
            width = outputs[0] + outputs[2] + outputs[4] + outputs[5]
        widths[name] = width
    return nn.Sequential(layers), widths


class _Mixed(nn.Module):
    def __init__(self, in_channels: int, outputs: list[int], pool: str) -> None:
        super().__init__()
        one, reduce_3, three, reduce_33, double, pooled = outputs
        self.branch_1 = ConvBlock(in_channels, one)
        self.branch_2 = nn.Sequential(ConvBlock(in_channels, reduce_3), ConvBlock(reduce_3, three, 3))
        self.branch_3 = nn.Sequential(
            ConvBlock(in_channels, reduce_33), ConvBlock(reduce_33, double, 3), ConvBlock(double, double, 3)
        )
        self.pool = (
            nn.MaxPool2d(3, stride=1, padding=1)
            if pool == "max"
            else nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        )
        self.branch_4 = ConvBlock(in_channels, pooled)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch_1(x), self.branch_2(x), self.branch_3(x), self.branch_4(self.pool(x))], dim=1)


class _Reduction(nn.Module):
    def __init__(self, in_channels: int, outputs: list[int]) -> None:
        super().__init__()
        reduce_3, three, reduce_33, double = outputs
        self.branch_1 = nn.Sequential(
            ConvBlock(in_channels, reduce_3), ConvBlock(reduce_3, three, 3, stride=2, same=True)
        )
        self.branch_2 = nn.Sequential(
            ConvBlock(in_channels, reduce_33),
            ConvBlock(reduce_33, double, 3),
            ConvBlock(double, double, 3, stride=2, same=True),
        )
        self.pool = SameMaxPool2d(3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch_1(x), self.branch_2(x), self.pool(x)], dim=1)
