from __future__ import annotations

import numpy as np
import pytest

from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Resize
from separable.targets.table import find_target
from tests.schedules.harness import run


@pytest.mark.parametrize("to", [(14, 26), (7, 39), (21, 13), (10, 29), (3, 4)], ids=str)
def test_copies_the_pixels(to: tuple[int, int], target: str, rng: np.random.Generator) -> None:
    lanes = find_target(target).lanes
    x, y = Blocked(17, 7, 13, lanes, Halo(1, 0, 2, 1)), Blocked(17, *to, lanes, Halo(0, 1, 1, 0))
    image = rng.standard_normal((17, 7, 13)).astype(np.float32)
    rows, columns = (np.arange(new) * old // new for new, old in zip(to, (7, 13), strict=True))
    np.testing.assert_array_equal(run(Resize(x, y), target, [(image, x)]), image[:, rows][:, :, columns])
