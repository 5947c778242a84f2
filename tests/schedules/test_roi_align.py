from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import RoiAlign
from separable.targets.table import find_target
from tests.schedules.harness import assert_close, run

Array = NDArray[np.float32]


def reference(x: Array, regions: Array, w: RoiAlign) -> NDArray[np.float64]:
    """Point by point, as the operator is defined. Images [n, C, H, W] -> [regions, C, height, width]."""
    height, width = x.shape[2:]
    result = np.zeros((len(regions), x.shape[1], w.y.height, w.y.width))
    for r, (number, *box) in enumerate(regions.astype(np.float64)):
        left, top, right, bottom = (edge * w.scale for edge in box)
        least = -np.inf if w.shrinks else 1.0
        step_y, step_x = max(bottom - top, least) / w.y.height, max(right - left, least) / w.y.width
        points = (np.arange(w.samples) + 0.5) / w.samples
        for i, j in np.ndindex(w.y.height, w.y.width):
            values = [
                _bilinear(
                    x[int(number)].astype(np.float64), top + (i + p) * step_y, left + (j + q) * step_x, height, width
                )
                for p in points
                for q in points
            ]
            result[r, :, i, j] = np.mean(values, axis=0)
    return result


def _bilinear(image: NDArray[np.float64], y: float, x: float, height: int, width: int) -> NDArray[np.float64]:
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(len(image))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    above = image[:, top, left] * (left + 1 - x) + image[:, top, right] * (x - left)
    below = image[:, bottom, left] * (left + 1 - x) + image[:, bottom, right] * (x - left)
    return np.asarray(above * (top + 1 - y) + below * (y - top))


def some_regions(rng: np.random.Generator, images: int, count: int, size: float) -> Array:
    """Most inside of the image; one larger, one far outside, one empty, one turned round."""
    low = rng.uniform(-0.2, 0.8, (count, 2)) * size
    boxes = np.concatenate([low, low + rng.uniform(0, 0.6, (count, 2)) * size], axis=1)
    boxes[:4] = [[-size, -size, 2 * size, 2 * size], [3 * size] * 4, [0, 0, 0, 0], [9, 8, 3, 2]]
    return np.concatenate([rng.integers(images, size=(count, 1)), boxes], axis=1).astype(np.float32)


@pytest.mark.parametrize("shrinks", [False, True])
@pytest.mark.parametrize(
    ("channels", "images", "output", "samples"), [(19, 1, (7, 7), 2), (1, 2, (1, 3), 1), (33, 3, (2, 5), 3)]
)
def test_agrees_with_reference(
    channels: int,
    images: int,
    output: tuple[int, int],
    samples: int,
    shrinks: bool,
    rng: np.random.Generator,
) -> None:
    lanes, count = find_target("native").lanes, 11
    layout = Blocked(channels, 9, 13, lanes, Halo(1, 0, 2, 1), images)
    y = Blocked(channels, *output, lanes, Halo(0, 2, 1, 1), images=count)
    w = RoiAlign((layout, Plain((count, 5))), y, 0.25, samples, shrinks)
    x = rng.standard_normal((images, channels, 9, 13)).astype(np.float32)
    regions = some_regions(rng, images, count, 40.0)
    actual = run(w, "native", [(x if images > 1 else x[0], layout), (regions, w.x[1])])
    assert_close(actual, reference(x, regions, w))


def test_no_region_reads_beyond_the_image(rng: np.random.Generator) -> None:
    """Whatever a region holds: the memory around the image cannot be read."""
    lanes = find_target("native").lanes
    layout, wild = Blocked(3, 5, 5, lanes), [np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0]
    regions = np.array([[0, a, b, c, d] for a in wild for b in wild for c in wild for d in wild], np.float32)
    w = RoiAlign((layout, Plain(regions.shape)), Blocked(3, 2, 2, lanes, images=len(regions)), 1.0, 2, False)
    outputs = run(w, "native", [(rng.standard_normal((3, 5, 5)).astype(np.float32), layout), (regions, w.x[1])])
    assert outputs.shape == (len(regions), 3, 2, 2)
