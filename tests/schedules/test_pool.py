from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import pool
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Pool, Window
from separable.targets.table import find_target
from tests.schedules import reference
from tests.schedules.harness import assert_close, run

# channels, input, output, window; outputs may be those of ceil mode, where the last window ends outside of the image
CASES = {
    "2x2": (33, (14, 14), (7, 7), Window((2, 2), (2, 2))),
    "3x3-pad": (17, (13, 7), (13, 7), Window((3, 3), pad=(1, 1))),
    "3x3-stride": (8, (14, 13), (7, 7), Window((3, 3), (2, 2), pad=(1, 1))),
    "ceil": (7, (7, 7), (4, 4), Window((2, 2), (2, 2))),
    "ceil-asymmetric": (3, (13, 8), (7, 4), Window((3, 3), (2, 2), pad=(0, 1))),
    "dilation": (1, (9, 7), (9, 7), Window((3, 3), dilation=(2, 2), pad=(2, 2))),
    "image": (17, (7, 7), (7, 7), Window((13, 13), pad=(6, 6))),
    "one-pixel": (8, (1, 1), (1, 1), Window((3, 3), pad=(1, 1))),
}


def check(
    name: str, kind: str, target: str, rng: np.random.Generator, include: bool = False, tile: pool.Tile | None = None
) -> None:
    channels, size, output, window = CASES[name]
    lanes = find_target(target).lanes
    x = Blocked(channels, *size, lanes, Halo(0, 1, 2, 0))
    w = Pool(kind, x, Blocked(channels, *output, lanes, Halo(1, 2, 0, 1)), window, include)
    # All negative: a zero from a halo would win every maximum.
    image = -1 - rng.random((channels, *size), np.float32)
    expected = reference.pool(image.astype(np.float64), kind, window, *output, include)
    assert_close(run(w, target, [(image, x)], tile=tile), expected)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_agrees_with_reference(name: str, kind: str, target: str, rng: np.random.Generator) -> None:
    check(name, kind, target, rng)


@pytest.mark.parametrize("name", ["3x3-pad", "3x3-stride"])
def test_average_over_padding(name: str, target: str, rng: np.random.Generator) -> None:
    check(name, "avg", target, rng, include=True)


@pytest.mark.parametrize("columns", [1, 3, 16])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_tiles_that_stick_out(columns: int, kind: str, rng: np.random.Generator) -> None:
    check("3x3-stride", kind, "native", rng, tile=pool.Tile(columns))


@pytest.mark.parametrize("name", ["3x3-pad", "dilation"])
def test_infinity(name: str, target: str) -> None:
    """In a window or beside it; the border's pixels are read for taps outside of the image."""
    channels, size, output, window = CASES[name]
    x = Blocked(channels, *size, find_target(target).lanes)
    image = np.full((channels, *size), -np.inf, np.float32)
    image[:, 0, 0] = np.inf
    for kind in ("max", "avg"):
        w = Pool(kind, x, Blocked(channels, *output, x.lanes), window)
        with np.errstate(invalid="ignore"):
            expected = reference.pool(image.astype(np.float64), kind, window, *output, False)
        np.testing.assert_array_equal(run(w, target, [(image, x)]), expected)
