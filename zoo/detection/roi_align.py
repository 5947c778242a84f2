"""Features of regions, cut from a feature map by bilinear interpolation."""

from __future__ import annotations

import torch

from separable.zoo.network import Operator
from separable.zoo.onnx_graph import OnnxGraph

# Samples in each direction of an output pixel.
_SAMPLES = 2


class RoiAlign(Operator):
    """RoiAlign as ONNX defines it in operator set 10 (He et al., "Mask R-CNN", 2017, section 3).

    Args:
        size: height and width of the result.
        scale: pixels of the feature map for one pixel of the picture.
    """

    def __init__(self, size: int, scale: float) -> None:
        super().__init__()
        self.size, self.scale = size, scale

    def forward(self, features: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Features [n, channels, size, size] for a map [1, channels, height, width] and boxes [1, n, 4] in pixels."""
        # While weights are fitted there are several maps: each has its share of the regions.
        maps = len(features)
        return torch.cat([self._align(features[number], boxes[0, number::maps]) for number in range(maps)])

    def write(self, graph: OnnxGraph, name: str, *inputs: str) -> str:
        """Reshape, RoiAlign."""
        features, boxes = inputs
        count = graph.shapes[boxes][1]
        regions = graph.add("Reshape", f"{name}_regions", [boxes, graph.constant(f"{name}.regions", [count, 4])])
        pictures = graph.constant(f"{name}.pictures", [0] * count)
        return graph.add(
            "RoiAlign",
            name,
            [features, regions, pictures],
            output_height=self.size,
            output_width=self.size,
            sampling_ratio=_SAMPLES,
            spatial_scale=self.scale,
        )

    def _align(self, features: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        left, top, right, bottom = (boxes * self.scale).unbind(dim=1)
        across = self._weights(left, right, features.shape[2])
        down = self._weights(top, bottom, features.shape[1])
        # Interpolation and the mean of the samples are linear in each direction on its own.
        rows = torch.einsum("cyx,njx->ncyj", features, across)
        return torch.einsum("ncyj,niy->ncij", rows, down)

    def _weights(self, low: torch.Tensor, high: torch.Tensor, length: int) -> torch.Tensor:
        """What each pixel of a row adds to each output pixel: [n, size, length] for regions from low to high [n]."""
        extent = (high - low).clamp(min=1)
        steps = (torch.arange(self.size * _SAMPLES, dtype=low.dtype, device=low.device) + 0.5) / _SAMPLES
        at = low[:, None] + steps * (extent / self.size)[:, None]
        inside = (at >= -1) & (at <= length)
        at = at.clamp(0, length - 1)
        pixels = torch.arange(length, dtype=low.dtype, device=low.device)
        weights = (1 - (at[:, :, None] - pixels).abs()).clamp(min=0) * inside[:, :, None]
        return weights.reshape(len(low), self.size, _SAMPLES, length).mean(dim=2)
