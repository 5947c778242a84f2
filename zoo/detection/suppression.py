"""Non-maximum suppression with a static shape."""

from __future__ import annotations

import torch

from separable.zoo.network import Operator
from separable.zoo.onnx_graph import OnnxGraph


class Suppress(Operator):
    """Scores with zeros for every box that overlaps a better one of its class, class by class.

    Args:
        limit: most boxes that are kept of a class.
        overlap: intersection over union above which two boxes are one.
        threshold: scores that are not above it are zero as well; not negative.
    """

    def __init__(self, limit: int, overlap: float, threshold: float) -> None:
        super().__init__()
        self.limit, self.overlap, self.threshold = limit, overlap, threshold

    def forward(self, boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [b, classes, n] that are left of those given, for boxes [b, n, 4] (left, top, right, bottom)."""
        kept: torch.Tensor = _suppress(boxes, scores, self.limit, self.overlap, self.threshold)
        return kept

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """NonMaxSuppression, and GatherND and ScatterND for a result of the scores' shape."""
        boxes, scores = inputs
        settings = [
            graph.constant(f"{name}.limit", [self.limit]),
            graph.constant(f"{name}.overlap", torch.tensor([self.overlap])),
            graph.constant(f"{name}.threshold", torch.tensor([self.threshold])),
        ]
        selected = graph.add("NonMaxSuppression", f"{name}_selected", [boxes, scores, *settings])
        gathered = graph.add("GatherND", f"{name}_scores", [scores, selected])
        zeros = graph.constant(f"{name}.zeros", torch.zeros(graph.shapes[scores]))
        return graph.add("ScatterND", name, [zeros, selected, gathered])


@torch.library.custom_op("separable::suppress", mutates_args=())
def _suppress(boxes: torch.Tensor, scores: torch.Tensor, limit: int, overlap: float, threshold: float) -> torch.Tensor:
    zero = torch.zeros_like(scores)
    left = torch.where(scores > threshold, scores, zero)
    kept = zero
    indices = torch.arange(scores.shape[2])
    for _ in range(min(limit, scores.shape[2])):
        best, index = left.max(dim=2, keepdim=True)
        chosen = indices == index
        kept = torch.where(chosen, torch.maximum(kept, best), kept)
        left = torch.where(chosen | (_overlaps(boxes, index) > overlap), zero, left)
    return kept


@_suppress.register_fake
def _(boxes: torch.Tensor, scores: torch.Tensor, limit: int, overlap: float, threshold: float) -> torch.Tensor:
    """The shape of the result, for those who only want shapes."""
    return torch.empty_like(scores)


def _overlaps(boxes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Intersection over union [b, classes, n] of boxes [b, n, 4] with one of each class, by index [b, classes, 1]."""
    chosen = boxes.gather(1, index.expand(-1, -1, 4))[:, :, None]
    others = boxes[:, None]
    low, high = torch.maximum(chosen[..., :2], others[..., :2]), torch.minimum(chosen[..., 2:], others[..., 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    union = _area(chosen) + _area(others) - common
    # Boxes without an area overlap nothing.
    return torch.where(common > 0, common / union, torch.zeros_like(common))


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
