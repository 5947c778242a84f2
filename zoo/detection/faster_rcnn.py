"""Faster R-CNN: Ren et al., "Faster R-CNN", 2015, with the settings of TensorFlow's object detection library.

The first stage proposes regions, the second one looks at each of them: the paper's 300. Huang et al., "Speed/accuracy
trade-offs", 2016, say where each network is cut in two. Whatever the number of regions, 300 are evaluated: those behind
the last one are empty, and the scores of what is seen in them are multiplied by zero.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn

from separable.zoo.architecture import MobileNetV1
from separable.zoo.blocks import Rearrange
from separable.zoo.detection.anchors import AnchorGrid, shapes
from separable.zoo.detection.boxes import DecodeBoxes, ForegroundScores
from separable.zoo.detection.head import OUTPUTS, Detections
from separable.zoo.detection.roi_align import RoiAlign
from separable.zoo.detection.selection import PickBoxes, TopScores
from separable.zoo.detection.suppression import Suppress
from separable.zoo.inception_v2 import inception_v2_body
from separable.zoo.mobilenet_v1 import detector_layers, mobilenet_body
from separable.zoo.network import Calibration, Network, check_size, thin
from separable.zoo.vgg16 import conv_relu, vgg_body

_SMALLEST_RESOLUTION = 64
_STRIDE = 16
# Pictures that weights are fitted to.
_PICTURES = 2
_LOGIT_SPREAD = 0.6
PROPOSALS = 300
_RPN_CHANNELS = 512
_RPN_OVERLAP = 0.7
# Anchors: squares of 256 pixels and what these make of them.
_ANCHOR, _ANCHOR_SCALES, _ANCHOR_RATIOS = 256.0, (0.25, 0.5, 1.0, 2.0), (0.5, 1.0, 2.0)
_BOX_SCALES = (10.0, 5.0)
_DETECTIONS, _OVERLAP = 100, 0.6
# Above zero, so that nothing is seen in the regions that are empty.
_THRESHOLD = 1e-8
_VGG_FULLY_CONNECTED, _VGG_REGION = 4096, 7
_REGION = 14


@dataclass(frozen=True)
class _Parts:
    """A network cut in two.

    Attributes:
        name: of the network.
        first: from the picture to features of stride 16.
        channels: of these features.
        size: their height and width.
        region: height and width that each region's features are cut to.
        second: from a region's features to a vector.
        features: length of this vector.
    """

    name: str
    first: nn.Module
    channels: int
    size: int
    region: int
    second: nn.Module
    features: int


class FasterRcnn(Network):
    """Boxes, scores, classes and count of one picture, as :mod:`separable.zoo.detection` describes them."""

    anchors: torch.Tensor

    def __init__(self, parts: _Parts, alpha: float, resolution: int, classes: int, proposals: int) -> None:
        name = f"faster_rcnn_{parts.name}_{alpha:g}_{resolution}"
        super().__init__(name, resolution, OUTPUTS, Calibration(_PICTURES, resolution, _PICTURES // 2, _LOGIT_SPREAD))
        size = parts.size
        shapes_at = tuple(box for scale in _ANCHOR_SCALES for box in shapes(scale * _ANCHOR, _ANCHOR_RATIOS))
        grid = AnchorGrid(size, _STRIDE, 0, shapes_at)
        count, hidden = size * size * len(shapes_at), thin(_RPN_CHANNELS, alpha)
        proposals = min(proposals, count)

        def rows(values: int) -> Rearrange:
            return Rearrange((1, len(shapes_at), values, size, size), (0, 3, 4, 1, 2), (1, count, values))

        self.first = parts.first
        self.rpn = conv_relu(parts.channels, hidden, 3)
        self.rpn_boxes = nn.Conv2d(hidden, 4 * len(shapes_at), 1)
        self.rpn_box_rows = rows(4)
        self.rpn_scores = nn.Conv2d(hidden, 2 * len(shapes_at), 1)
        self.rpn_score_rows = rows(2)
        self.rpn_softmax = nn.Softmax(dim=2)
        self.objectness = ForegroundScores()
        self.register_buffer("anchors", torch.tensor(grid.boxes().tolist()), persistent=False)
        self.rpn_decode = DecodeBoxes(resolution, _BOX_SCALES)
        self.rpn_suppress = Suppress(proposals, _RPN_OVERLAP, 0.0)
        self.rpn_best = TopScores(proposals)
        self.proposals = PickBoxes()
        self.region = RoiAlign(parts.region, 1 / _STRIDE)
        self.second = parts.second
        self.class_scores = nn.Linear(parts.features, 1 + classes)
        self.class_softmax = nn.Softmax(dim=1)
        self.class_rows = Rearrange((proposals, 1, 1 + classes), (1, 0, 2), (1, proposals, 1 + classes))
        self.foreground = ForegroundScores()
        # Each class has boxes of its own: it takes the place of the picture in a batch.
        self.by_class = Rearrange((1, classes, proposals), (1, 0, 2), (classes, 1, proposals))
        self.class_boxes = nn.Linear(parts.features, 4 * classes)
        self.class_box_rows = Rearrange((proposals, classes, 4), (1, 0, 2), (classes, proposals, 4))
        self.class_decode = DecodeBoxes(resolution, _BOX_SCALES)
        self.valid_row = Rearrange((1, 1, proposals), (0, 1, 2), (1, 1, proposals))
        self.detections = Detections(proposals, min(_DETECTIONS, classes * proposals), _OVERLAP, _THRESHOLD)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Results for a picture [1, 3, resolution, resolution]."""
        features = self.first(picture)
        boxes, best = self._propose(features)
        seen = self.second(self.region(features, boxes))
        probabilities = self.foreground(self.class_rows(self.class_softmax(self.class_scores(seen))))
        scores = self.by_class(probabilities * self.valid_row(torch.sign(best)))
        boxes = self.class_decode(self.class_box_rows(self.class_boxes(seen)), boxes)
        result: tuple[torch.Tensor, ...] = self.detections(boxes, scores)
        return result

    def _propose(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Regions [1, proposals, 4] and their scores [1, proposals]; zeros behind the last one."""
        hidden = self.rpn(features)
        scores = self.objectness(self.rpn_softmax(self.rpn_score_rows(self.rpn_scores(hidden))))
        boxes = self.rpn_decode(self.rpn_box_rows(self.rpn_boxes(hidden)), self.anchors)
        best, places = self.rpn_best(self.rpn_suppress(boxes, scores))
        return self.proposals(boxes, best, places), best


def faster_rcnn_mobilenet(
    alpha: float = 1.0, resolution: int = 600, classes: int = 90, proposals: int = PROPOSALS
) -> FasterRcnn:
    """Faster R-CNN on MobileNet V1, cut before its last two separable layers.

    Args:
        alpha: width multiplier.
        resolution: height and width of the picture.
        classes: without the background; COCO numbers them to 90.
        proposals: regions that the second stage looks at.

    Raises:
        ValueError: an option is out of its range.
    """
    check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
    spec = MobileNetV1(alpha, resolution)
    first, last = detector_layers(spec)
    second = nn.Sequential(OrderedDict(body=mobilenet_body(last, spec.activation), **_pool()))
    parts = _Parts(
        "mobilenet_v1",
        mobilenet_body(first, spec.activation),
        first[-1].out_channels,
        _same_size(resolution),
        _REGION,
        second,
        last[-1].out_channels,
    )
    return FasterRcnn(parts, alpha, resolution, classes, proposals)


def faster_rcnn_inception_v2(
    alpha: float = 1.0, resolution: int = 600, classes: int = 90, proposals: int = PROPOSALS
) -> FasterRcnn:
    """Faster R-CNN on Inception V2, cut before its last three modules; as :func:`faster_rcnn_mobilenet`.

    Raises:
        ValueError: an option is out of its range.
    """
    check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
    body, widths = inception_v2_body(alpha)
    cut = list(dict(body.named_children())).index("mixed_4e") + 1
    second = nn.Sequential(OrderedDict(body=body[cut:], **_pool()))
    channels, size = widths["mixed_4e"], _same_size(resolution)
    parts = _Parts("inception_v2", body[:cut], channels, size, _REGION, second, widths["mixed_5c"])
    return FasterRcnn(parts, alpha, resolution, classes, proposals)


def faster_rcnn_vgg(
    alpha: float = 1.0, resolution: int = 600, classes: int = 90, proposals: int = PROPOSALS
) -> FasterRcnn:
    """Faster R-CNN on VGG-16, cut before its fifth pool; as :func:`faster_rcnn_mobilenet`.

    Raises:
        ValueError: an option is out of its range.
    """
    check_size(alpha, resolution, _SMALLEST_RESOLUTION, classes)
    channels, hidden = thin(512, alpha), thin(_VGG_FULLY_CONNECTED, alpha)
    second = nn.Sequential(
        nn.Flatten(), nn.Linear(channels * _VGG_REGION**2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
    )
    # Its pools round down.
    size = resolution // _STRIDE
    parts = _Parts("vgg16", vgg_body(alpha, last_pool=False), channels, size, _VGG_REGION, second, hidden)
    return FasterRcnn(parts, alpha, resolution, classes, proposals)


def _same_size(resolution: int) -> int:
    """Height and width of features of stride 16 where every layer rounds up."""
    return -(-resolution // _STRIDE)


def _pool() -> dict[str, nn.Module]:
    return {"pool": nn.AdaptiveAvgPool2d(1), "features": nn.Flatten()}
