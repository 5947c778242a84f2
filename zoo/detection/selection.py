"""The best boxes of all classes, padded with zeros to a fixed number."""

from __future__ import annotations

import torch

from separable.zoo.network import Operator
from separable.zoo.onnx_graph import OnnxGraph, result


class TopScores(Operator):
    """The ``limit`` highest scores and where they are."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores [1, limit], the highest first, and their int64 places [1, limit] in ``scores`` [...] as one row."""
        best = scores.reshape(1, -1).topk(self.limit, dim=1)
        return best.values, best.indices

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> tuple[str, str]:
        """Reshape, TopK."""
        row = graph.add("Reshape", f"{name}_row", [inputs[0], graph.constant(f"{name}.row", [1, -1])])
        count = graph.constant(f"{name}.limit", [self.limit])
        graph.add("TopK", name, [row, count], results=2, axis=1)
        return name, result(name, 1)


class PickBoxes(Operator):
    """The boxes that chosen scores belong to; zeros where a score is zero."""

    def forward(self, boxes: torch.Tensor, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Boxes [1, k, 4] for boxes [b, n, 4], scores [1, k], and their places among the scores [b, classes, n].

        Either b or the number of classes is 1: a class either shares its boxes with the others or has its own.
        """
        rows = boxes.reshape(-1, 4)
        return rows[places % len(rows)] * torch.sign(scores)[:, :, None]

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Reshape, Mod, Gather, Sign, Mul."""
        boxes, scores, places = inputs
        count = graph.shapes[boxes][0] * graph.shapes[boxes][1]
        rows = graph.add("Reshape", f"{name}_rows", [boxes, graph.constant(f"{name}.rows", [count, 4])])
        index = graph.add("Mod", f"{name}_index", [places, graph.constant(f"{name}.count", [count])])
        picked = graph.add("Gather", f"{name}_picked", [rows, index], axis=0)
        valid = graph.add("Sign", f"{name}_valid", [scores])
        column = graph.add("Unsqueeze", f"{name}_column", [valid, graph.constant(f"{name}.axis", [2])])
        return graph.add("Mul", name, [picked, column])


class PickClasses(Operator):
    """The classes that chosen scores belong to, from 1; zero where a score is zero.

    Args:
        boxes: boxes of each class.
    """

    def __init__(self, boxes: int) -> None:
        super().__init__()
        self.boxes = boxes

    def forward(self, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Classes [1, k], in the dtype of the scores, for scores and places as :class:`PickBoxes` takes them."""
        return ((places // self.boxes).to(scores.dtype) + 1) * torch.sign(scores)

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Div, Cast, Add, Sign, Mul."""
        scores, places = inputs
        index = graph.add("Div", f"{name}_index", [places, graph.constant(f"{name}.boxes", [self.boxes])])
        number = graph.add("Cast", f"{name}_number", [index], to=1)
        label = graph.add("Add", f"{name}_label", [number, graph.constant(f"{name}.first", 1.0)])
        return graph.add("Mul", name, [label, graph.add("Sign", f"{name}_valid", [scores])])


class Count(Operator):
    """How many scores are above zero."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """The number [1], in the dtype of the scores [1, k]."""
        return torch.sign(scores).sum(dim=1)

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Sign, ReduceSum."""
        valid = graph.add("Sign", f"{name}_valid", inputs)
        return graph.add("ReduceSum", name, [valid, graph.constant(f"{name}.axis", [1])], keepdims=0)
