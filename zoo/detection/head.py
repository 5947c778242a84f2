"""From the scores and boxes of all anchors to the detector's results."""

from __future__ import annotations

import torch
from torch import nn

from separable.zoo.detection.selection import Count, PickBoxes, PickClasses, TopScores
from separable.zoo.detection.suppression import Suppress

OUTPUTS = ("boxes", "scores", "classes", "count")


class Detections(nn.Module):
    """Suppression within each class, then the best of all classes.

    Args:
        anchors: boxes of each class.
        limit: boxes of the result, and most boxes of a class.
        overlap: as :class:`Suppress` takes it.
        threshold: as :class:`Suppress` takes it.
    """

    def __init__(self, anchors: int, limit: int, overlap: float, threshold: float) -> None:
        super().__init__()
        self.suppress = Suppress(limit, overlap, threshold)
        self.best = TopScores(limit)
        self.boxes = PickBoxes()
        self.classes = PickClasses(anchors)
        self.count = Count()

    def forward(self, boxes: torch.Tensor, scores: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Boxes [1, k, 4], scores [1, k], classes [1, k] and count [1] for boxes [b, n, 4], scores [b, classes, n]."""
        best, places = self.best(self.suppress(boxes, scores))
        return self.boxes(boxes, best, places), best, self.classes(best, places), self.count(best)
