from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import global_pool
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import GlobalPool
from separable.targets.table import find_target
from tests.schedules.harness import assert_close, run


@pytest.mark.parametrize("size", [(1, 7, 7), (17, 13, 2), (8, 1, 1), (200, 7, 7)], ids=str)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_agrees_with_reference(size: tuple[int, int, int], kind: str, target: str, rng: np.random.Generator) -> None:
    lanes = find_target(target).lanes
    x = Blocked(*size, lanes, Halo(1, 1, 1, 1))
    w = GlobalPool(kind, x, Blocked(size[0], 1, 1, lanes, Halo(1, 0, 0, 1)))
    image = -1 - rng.random(size, np.float32)
    expected = image.astype(np.float64)
    expected = expected.max(axis=(1, 2)) if kind == "max" else expected.mean(axis=(1, 2))
    assert_close(run(w, target, [(image, x)]), expected[:, None, None])


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_tiles_that_stick_out(blocks: int, rng: np.random.Generator) -> None:
    lanes = find_target("native").lanes
    x = Blocked(3 * lanes, 5, 5, lanes)
    image = rng.standard_normal((3 * lanes, 5, 5)).astype(np.float32)
    w = GlobalPool("avg", x, Blocked(3 * lanes, 1, 1, lanes))
    actual = run(w, "native", [(image, x)], tile=global_pool.Tile(blocks))
    assert_close(actual, image.astype(np.float64).mean(axis=(1, 2), keepdims=True))
