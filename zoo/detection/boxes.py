"""From predictions to boxes and scores."""

from __future__ import annotations

import torch

from separable.zoo.network import Operator
from separable.zoo.onnx_graph import OnnxGraph, result


class DecodeBoxes(Operator):
    """Boxes from what is predicted relative to anchors (Ren et al., "Faster R-CNN", equation 2), cut at the picture.

    Args:
        size: height and width of the picture in pixels.
        scales: what the predicted (centre, size) is divided by.
    """

    def __init__(self, size: int, scales: tuple[float, float]) -> None:
        super().__init__()
        self.size, self.scales = size, scales

    def forward(self, deltas: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """Boxes [b, n, 4] for predictions [b, n, 4] (x, y, log width, log height) and anchors [n, 4] or [1, n, 4]."""
        low, high = anchors[..., :2], anchors[..., 2:]
        shift, stretch = deltas[..., :2], deltas[..., 2:]
        extent = high - low
        centre = (low + high) * 0.5 + shift * extent * (1 / self.scales[0])
        half = torch.exp(stretch * (1 / self.scales[1])) * extent * 0.5
        return torch.cat([centre - half, centre + half], dim=-1).clamp(0, self.size)

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Split, arithmetic, Concat, Clip."""
        deltas, anchors = inputs

        def halves(part: str, tensor: str) -> tuple[str, str]:
            sizes = graph.constant(f"{name}.halves", [2, 2])
            first = graph.add("Split", f"{name}_{part}", [tensor, sizes], results=2, axis=-1)
            return first, result(first, 1)

        def scaled(part: str, tensor: str, factor: float) -> str:
            return graph.add("Mul", f"{name}_{part}", [tensor, graph.constant(f"{name}.{part}", factor)])

        def node(operator: str, part: str, *tensors: str) -> str:
            return graph.add(operator, f"{name}_{part}", tensors)

        low, high = halves("anchors", anchors)
        shift, stretch = halves("deltas", deltas)
        extent = node("Sub", "extent", high, low)
        middle = scaled("middle", node("Add", "corners", low, high), 0.5)
        moved = scaled("shift", node("Mul", "moved", shift, extent), 1 / self.scales[0])
        centre = node("Add", "centre", middle, moved)
        grown = node("Exp", "grown", scaled("stretch", stretch, 1 / self.scales[1]))
        half = scaled("half", node("Mul", "size", grown, extent), 0.5)
        corners = [node("Sub", "low", centre, half), node("Add", "high", centre, half)]
        boxes = graph.add("Concat", f"{name}_boxes", corners, axis=-1)
        bounds = [graph.constant(f"{name}.{bound}", float(value)) for bound, value in (("min", 0), ("max", self.size))]
        return graph.add("Clip", name, [boxes, *bounds])


class ForegroundScores(Operator):
    """Scores by class, without those of the background, which is the first."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores [b, classes, n] for [b, n, 1 + classes]."""
        return scores.permute(0, 2, 1)[:, 1:]

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Transpose, Slice."""
        by_class = graph.add("Transpose", f"{name}_by_class", inputs, perm=[0, 2, 1])
        end = graph.shapes[inputs[0]][2]
        bounds = [
            graph.constant(f"{name}.{part}", [value]) for part, value in (("start", 1), ("end", end), ("axis", 1))
        ]
        return graph.add("Slice", name, [by_class, *bounds])
