from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import softmax
from separable.schedules.tensor import Plain
from separable.schedules.workload import Softmax
from tests.schedules import reference
from tests.schedules.harness import assert_close, run


def check(x: np.ndarray, target: str, tile: softmax.Tile | None = None) -> None:
    w = Softmax(Plain(x.shape), Plain(x.shape))
    actual = run(w, target, [(x.astype(np.float32), w.x)], tile=tile)
    assert_close(actual, reference.softmax(x.astype(np.float32).astype(np.float64)))


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (3, 16), (1, 1001), (50, 2), (33, 3), (2, 17, 33), (5, 1), (16, 13)], ids=str
)
def test_agrees_with_reference(shape: tuple[int, ...], target: str, rng: np.random.Generator) -> None:
    check(rng.standard_normal(shape) * 10, target)


def test_extremes_neither_overflow_nor_vanish(target: str) -> None:
    check(np.array([[1e30, 1e30, -1e30], [-3e38, -3e38, -3e38], [200.0, 0.0, -200.0]]), target)


@pytest.mark.parametrize(
    "tile", [softmax.Tile(1, 8), softmax.Tile(1, 33), softmax.Tile(4, 1), softmax.Tile(21, 1)], ids=str
)
def test_tiles_that_overlap(tile: softmax.Tile, rng: np.random.Generator) -> None:
    check(rng.standard_normal((21, 33)), "native", tile)
