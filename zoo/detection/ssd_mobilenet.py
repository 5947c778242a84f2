"""SSD on MobileNet and on Inception V2, with the settings of TensorFlow's object detection library.

They are those of its ``ssd_mobilenet_v1_coco`` and ``ssd_inception_v2_coco`` (Huang et al., "Speed/accuracy
trade-offs", 2016): two maps of the network and four smaller ones, predictors of 1x1, a sigmoid for each class.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from separable.zoo.architecture import MobileNetV1
from separable.zoo.blocks import ConvBlock
from separable.zoo.detection.anchors import AnchorGrid, shapes
from separable.zoo.detection.ssd import Ssd, SsdHead
from separable.zoo.inception_v2 import inception_v2_body
from separable.zoo.mobilenet_v1 import detector_layers, mobilenet_body
from separable.zoo.network import check_size, thin

_SMALLEST_RESOLUTION = 64
_HEAD = SsdHead(kernel=1, softmax=False, limit=100, overlap=0.6, threshold=1e-8)
# Output channels of the four additional maps; a 1x1 convolution halves them before.
_EXTRA = (512, 256, 256, 128)
_MIN_SCALE, _MAX_SCALE, _MAPS = 0.2, 0.95, 6
_RATIOS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)
# The largest map has three anchors: a small square and two longish ones.
_LOWEST_SQUARE, _LOWEST_RATIOS = 0.1, (2.0, 1 / 2)


def ssd_mobilenet(alpha: float = 1.0, resolution: int = 300, classes: int = 90) -> Ssd:
    """SSD on MobileNet V1.

    Args:
        alpha: width multiplier.
        resolution: height and width of the picture.
        classes: without the background; COCO numbers them to 90.

    Raises:
        ValueError: an option is out of its range.
    """
    check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
    spec = MobileNetV1(alpha, resolution)
    parts = detector_layers(spec)
    stages: list[nn.Module] = [mobilenet_body(part, spec.activation) for part in parts]
    widths = [part[-1].out_channels for part in parts]
    return _with_extra_maps(f"ssd_mobilenet_v1_{alpha:g}_{resolution}", alpha, resolution, stages, widths, classes)


def ssd_inception_v2(alpha: float = 1.0, resolution: int = 300, classes: int = 90) -> Ssd:
    """SSD on Inception V2; the arguments are those of :func:`ssd_mobilenet`.

    Raises:
        ValueError: an option is out of its range.
    """
    check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
    body, module_widths = inception_v2_body(alpha)
    modules = dict(body.named_children())
    cut = list(modules).index("mixed_4c") + 1
    stages: list[nn.Module] = [body[:cut], body[cut:]]
    widths = [module_widths["mixed_4c"], module_widths["mixed_5c"]]
    return _with_extra_maps(f"ssd_inception_v2_{alpha:g}_{resolution}", alpha, resolution, stages, widths, classes)


def _with_extra_maps(
    name: str, alpha: float, resolution: int, stages: list[nn.Module], widths: list[int], classes: int
) -> Ssd:
    sizes = [_reduced(resolution, 4), _reduced(resolution, 5)]
    for channels in _EXTRA:
        before, width = thin(channels // 2, alpha), thin(channels, alpha)
        stages.append(nn.Sequential(ConvBlock(widths[-1], before), ConvBlock(before, width, 3, stride=2, same=True)))
        widths.append(width)
        sizes.append(-(-sizes[-1] // 2))
    grids = [
        AnchorGrid(size, resolution / size, resolution / size / 2, anchors)
        for size, anchors in zip(sizes, _anchor_shapes(resolution), strict=True)
    ]
    return Ssd(name, resolution, stages, {}, widths, grids, classes, _HEAD)


def _anchor_shapes(resolution: int) -> list[tuple[tuple[float, float], ...]]:
    step = (_MAX_SCALE - _MIN_SCALE) / (_MAPS - 1)
    scales = [resolution * (_MIN_SCALE + step * number) for number in range(_MAPS)] + [resolution]
    lowest = shapes(_LOWEST_SQUARE * resolution, [1.0]) + shapes(scales[0], _LOWEST_RATIOS)
    # The sixth anchor is a square between this map's scale and the next one's.
    others = [
        shapes(scale, _RATIOS) + shapes((scale * following) ** 0.5, [1.0]) for scale, following in pairwise(scales[1:])
    ]
    return [lowest, *others]


def _reduced(resolution: int, times: int) -> int:
    """Height and width after so many layers of stride 2."""
    for _ in range(times):
        resolution = -(-resolution // 2)
    return resolution
