"""Anchors: the boxes that predictions are relative to, a few shapes at every pixel of a feature map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class AnchorGrid:
    """Anchors of one feature map.

    Attributes:
        size: height and width of the map.
        step: pixels of the picture between neighbours.
        offset: of the first centre, in pixels of the picture.
        shapes: (width, height) in pixels of the picture of the anchors at each place.
    """

    size: int
    step: float
    offset: float
    shapes: tuple[tuple[float, float], ...]

    def boxes(self) -> npt.NDArray[np.float32]:
        """Anchors [size * size * shapes, 4] as left, top, right, bottom; rows of the map first, shapes last."""
        centres = self.offset + self.step * np.arange(self.size)
        y, x = np.meshgrid(centres, centres, indexing="ij")
        middle = np.stack([x, y], axis=-1)[:, :, None]
        half = np.array(self.shapes)[None, None] / 2
        return np.concatenate([middle - half, middle + half], axis=-1).reshape(-1, 4).astype(np.float32)


def all_boxes(grids: Iterable[AnchorGrid]) -> npt.NDArray[np.float32]:
    """Anchors of several maps, one after the other."""
    return np.concatenate([grid.boxes() for grid in grids])


def shapes(scale: float, ratios: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Boxes of the area ``scale`` squared, and of these ratios of width to height."""
    return tuple((scale * ratio**0.5, scale / ratio**0.5) for ratio in ratios)
