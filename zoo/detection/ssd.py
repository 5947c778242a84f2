"""SSD: Liu et al., "SSD: single shot multibox detector", 2016, on feature maps of any network.

A predictor at every pixel of every map gives a box and the scores of all classes for each anchor; there is no second
stage. :mod:`ssd_mobilenet` and its neighbours say which maps and anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from separable.zoo.blocks import Rearrange
from separable.zoo.detection.anchors import AnchorGrid, all_boxes
from separable.zoo.detection.boxes import DecodeBoxes, ForegroundScores
from separable.zoo.detection.head import OUTPUTS, Detections
from separable.zoo.network import Calibration, Network

# What predicted centres and sizes are divided by (the paper's "variances" 0.1 and 0.2).
_SCALES = (10.0, 5.0)
# Pictures that weights are fitted to.
_PICTURES = 4
_LOGIT_SPREAD = 0.6


@dataclass(frozen=True)
class SsdHead:
    """The settings of one detector.

    Attributes:
        kernel: height and width of the predictors' filters.
        softmax: whether classes exclude each other; otherwise each has a sigmoid.
        limit: boxes of the result.
        overlap: intersection over union above which two boxes are one.
        threshold: the least score.
    """

    kernel: int
    softmax: bool
    limit: int
    overlap: float
    threshold: float


class Ssd(Network):
    """Boxes, scores, classes and count of one picture, as :mod:`separable.zoo.detection` describes them.

    Args:
        name: of the network.
        resolution: height and width of the picture.
        stages: the network in parts; each takes the result of the one before and gives the next feature map.
        norms: what a map goes through before its predictors, by number of the stage.
        widths: channels of the feature maps.
        grids: anchors of the feature maps.
        classes: without the background.
        head: the other settings.
    """

    anchors: torch.Tensor

    def __init__(
        self,
        name: str,
        resolution: int,
        stages: Sequence[nn.Module],
        norms: dict[int, nn.Module],
        widths: Sequence[int],
        grids: Sequence[AnchorGrid],
        classes: int,
        head: SsdHead,
    ) -> None:
        super().__init__(name, resolution, OUTPUTS, Calibration(_PICTURES, resolution, _PICTURES // 2, _LOGIT_SPREAD))
        self.stages = nn.ModuleList(stages)
        self.norms = nn.ModuleDict({str(stage): norm for stage, norm in norms.items()})
        self.boxes = nn.ModuleList(_Predictor(w, g, 4, head.kernel) for w, g in zip(widths, grids, strict=True))
        self.scores = nn.ModuleList(
            _Predictor(w, g, 1 + classes, head.kernel) for w, g in zip(widths, grids, strict=True)
        )
        self.register_buffer("anchors", torch.tensor(all_boxes(grids).tolist()), persistent=False)
        self.decode = DecodeBoxes(resolution, _SCALES)
        self.probabilities = nn.Softmax(dim=2) if head.softmax else nn.Sigmoid()
        self.foreground = ForegroundScores()
        count = sum(grid.size**2 * len(grid.shapes) for grid in grids)
        self.detections = Detections(count, min(head.limit, count), head.overlap, head.threshold)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Results for a picture [1, 3, resolution, resolution]."""
        maps = []
        for number, stage in enumerate(self.stages):
            picture = stage(picture)
            maps.append(self.norms[str(number)](picture) if str(number) in self.norms else picture)
        deltas = torch.cat([boxes(x) for boxes, x in zip(self.boxes, maps, strict=True)], dim=1)
        logits = torch.cat([scores(x) for scores, x in zip(self.scores, maps, strict=True)], dim=1)
        boxes = self.decode(deltas, self.anchors)
        result: tuple[torch.Tensor, ...] = self.detections(boxes, self.foreground(self.probabilities(logits)))
        return result


class _Predictor(nn.Module):
    """A convolution that gives ``values`` numbers for every anchor: [1, anchors, values]."""

    def __init__(self, channels: int, grid: AnchorGrid, values: int, kernel: int) -> None:
        super().__init__()
        shapes, size = len(grid.shapes), grid.size
        self.conv = nn.Conv2d(channels, shapes * values, kernel, padding=kernel // 2)
        self.rows = Rearrange((1, shapes, values, size, size), (0, 3, 4, 1, 2), (1, size * size * shapes, values))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.rows(self.conv(x))
        return result
