"""SSD on VGG-16: Liu et al., "SSD", 2016, section 3, with the settings of the authors' files for COCO and 300 pixels.

The fully connected layers of VGG are convolutions, the first of them dilated as in DeepLab.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from separable.zoo.blocks import Normalize
from separable.zoo.detection.anchors import AnchorGrid, shapes
from separable.zoo.detection.ssd import Ssd, SsdHead
from separable.zoo.network import check_size, thin
from separable.zoo.vgg16 import conv_relu, vgg_body

_RESOLUTION = 300
_HEAD = SsdHead(kernel=3, softmax=True, limit=200, overlap=0.45, threshold=0.01)
_FC_CHANNELS, _FC_DILATION = 1024, 6
_NORM_SCALE = 20.0
# Channels before and after each of the four additional 3x3 convolutions, and its stride; without stride 2 the
# convolution is not padded.
_EXTRA = ((256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1))
# Height and width of the maps, pixels of the picture between their anchors, and the least and largest anchor of each.
_SIZES = (38, 19, 10, 5, 3, 1)
_STEPS = (8, 16, 32, 64, 100, 300)
_SCALES = (21.0, 45.0, 99.0, 153.0, 207.0, 261.0, 315.0)
_FEW, _MANY = (2.0, 1 / 2), (2.0, 1 / 2, 3.0, 1 / 3)
_RATIOS = (_FEW, _MANY, _MANY, _MANY, _FEW, _FEW)


def ssd_vgg(alpha: float = 1.0, classes: int = 90) -> Ssd:
    """SSD 300 on VGG-16.

    Args:
        alpha: width multiplier.
        classes: without the background; COCO numbers them to 90.

    Raises:
        ValueError: an option is out of its range.
    """
    check_size(alpha, _RESOLUTION, _RESOLUTION, classes)
    body = OrderedDict(vgg_body(alpha, ceil_mode=True, last_pool=False).named_children())
    names = list(body)
    cut = names.index("conv_4_3") + 1
    fc = thin(_FC_CHANNELS, alpha)
    first = nn.Sequential(OrderedDict((name, body[name]) for name in names[:cut]))
    second = nn.Sequential(
        OrderedDict(
            [
                *((name, body[name]) for name in names[cut:]),
                ("pool_5", nn.MaxPool2d(3, stride=1, padding=1)),
                ("conv_6", conv_relu(thin(512, alpha), fc, 3, dilation=_FC_DILATION)),
                ("conv_7", conv_relu(fc, fc, 1)),
            ]
        )
    )
    stages, widths = [first, second], [thin(512, alpha), fc]
    for reduced, channels, stride in _EXTRA:
        before, width = thin(reduced, alpha), thin(channels, alpha)
        convolution = conv_relu(before, width, 3, stride, padding=1 if stride == 2 else 0)
        stages.append(nn.Sequential(conv_relu(widths[-1], before, 1), convolution))
        widths.append(width)
    grids = [
        AnchorGrid(
            size, step, step / 2, shapes(least, [1.0]) + shapes((least * largest) ** 0.5, [1.0]) + shapes(least, r)
        )
        for size, step, least, largest, r in zip(_SIZES, _STEPS, _SCALES[:-1], _SCALES[1:], _RATIOS, strict=True)
    ]
    name = f"ssd_vgg16_{alpha:g}_{_RESOLUTION}"
    return Ssd(name, _RESOLUTION, stages, {0: _ScaledNorm(widths[0])}, widths, grids, classes, _HEAD)


class _ScaledNorm(nn.Module):
    """Channels of each pixel divided by their length and multiplied by a learnt scale each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), _NORM_SCALE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.normalize(x) * self.scale
        return result
