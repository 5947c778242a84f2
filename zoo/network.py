"""What all networks of the zoo have in common, and the operators that torch.nn lacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from separable.zoo.onnx_graph import OnnxGraph


@dataclass(frozen=True)
class Calibration:
    """What random weights are fitted to.

    Attributes:
        pictures: random pictures that are shown to the network.
        size: their height and width in pixels.
        noise: how many of them are white noise. Without, a network answers to noise with activations that are far
            larger, as filters that cancel on smooth pictures do not on noise.
        spread: deviation of the logits. A detector has thousands of scores, and they must not be all alike: zero or one
            for a picture unlike those that it was fitted to.
    """

    pictures: int
    size: int
    noise: int
    spread: float = 2.5


class Network(nn.Module):
    """A network for one picture, float32 [1, 3, resolution, resolution] with values in [-1, 1].

    Its ``forward`` may be traced by ``torch.fx``: modules, :class:`Operator` and the few functions that
    ``onnx_modules`` lists. Every convolution and linear layer is called once.

    Args:
        name: the network's name in files, such as ``vgg16_1_224``.
        resolution: height and width of the picture.
        outputs: names of what ``forward`` returns, in order.
        calibration: pictures that weights are fitted to; their size is the resolution where layers depend on it.
    """

    def __init__(self, name: str, resolution: int, outputs: tuple[str, ...], calibration: Calibration) -> None:
        super().__init__()
        self.name = name
        self.resolution = resolution
        self.outputs = outputs
        self.calibration = calibration


class PooledClassifier(Network):
    """Logits [1, classes]: a body, its average over the picture, dropout, and one linear layer.

    Args:
        name, resolution, calibration: as of :class:`Network`.
        body: everything before the average.
        width: its output channels.
        classes: outputs of the classifier.
        dropout: probability that a feature is left out in training.
    """

    def __init__(
        self,
        name: str,
        resolution: int,
        calibration: Calibration,
        body: nn.Module,
        width: int,
        classes: int,
        dropout: float,
    ) -> None:
        super().__init__(name, resolution, ("logits",), calibration)
        self.body = body
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.features = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] for pictures [n, 3, height, width]."""
        logits: torch.Tensor = self.classifier(self.dropout(self.features(self.pool(self.body(picture)))))
        return logits


class Operator(nn.Module, ABC):
    """A step that torch computes with several functions and ONNX with nodes of its own: both, side by side."""

    @abstractmethod
    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str | tuple[str, ...]:
        """Add the step to ``graph`` under ``name`` and return the names of its results."""


def thin(channels: int, alpha: float, multiple: int = 1) -> int:
    """The paper's width multiplier: ``alpha * channels``, rounded to a multiple and never zero."""
    return max(1, round(alpha * channels / multiple)) * multiple


def check_size(alpha: float, resolution: int, smallest: int, classes: int = 1) -> None:
    """Check the options that all networks share.

    Raises:
        ValueError: ``alpha`` is outside (0, 1], the resolution below ``smallest``, or there is no class.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha {alpha} is outside (0, 1]")
    if resolution < smallest:
        raise ValueError(f"resolution {resolution} is below {smallest}, the least that this network takes")
    if classes < 1:
        raise ValueError(f"{classes} classes: there must be at least one")
