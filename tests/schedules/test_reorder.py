from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import reorder
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Reorder
from separable.targets.table import find_target
from tests.schedules.harness import run

SIZES = [(1, 2, 2), (3, 5, 7), (17, 1, 1), (33, 13, 3), (16, 7, 7), (40, 2, 17)]


def check(
    size: tuple[int, int, int],
    halo: Halo,
    channels_last: bool,
    target: str,
    rng: np.random.Generator,
    tile: reorder.Tile | None = None,
) -> None:
    """Both directions."""
    image = rng.standard_normal(size).astype(np.float32)
    array = np.ascontiguousarray(image.transpose(1, 2, 0) if channels_last else image)[None]
    blocked, plain = Blocked(*size, find_target(target).lanes, halo), Plain(array.shape)
    to_blocked, to_plain = Reorder(plain, blocked, channels_last), Reorder(blocked, plain, channels_last)
    np.testing.assert_array_equal(run(to_blocked, target, [(array, plain)], tile=tile), image)
    np.testing.assert_array_equal(run(to_plain, target, [(image, blocked)], tile=tile), array)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("halo", [Halo(), Halo(1, 0, 2, 1)], ids=["bare", "halo"])
@pytest.mark.parametrize("channels_last", [False, True], ids=["nchw", "nhwc"])
def test_between_plain_and_blocked(
    size: tuple[int, int, int], halo: Halo, channels_last: bool, rng: np.random.Generator
) -> None:
    check(size, halo, channels_last, "native", rng)


@pytest.mark.parametrize("channels_last", [False, True], ids=["nchw", "nhwc"])
def test_on_every_target(channels_last: bool, target: str, rng: np.random.Generator) -> None:
    check((33, 13, 3), Halo(0, 1, 0, 0), channels_last, target, rng)


@pytest.mark.parametrize("pixels", [1, 5, 13])
def test_chunks_that_overlap(pixels: int, rng: np.random.Generator) -> None:
    check((17, 2, 13), Halo(1, 1, 1, 1), False, "native", rng, reorder.Tile(pixels, find_target("native").lanes))


@pytest.mark.parametrize(
    ("count", "dtype"), [(1, "int64"), (7, "float32"), (1000, "float32"), (999, "int64"), (33, "bool")]
)
def test_copies(count: int, dtype: str, target: str, rng: np.random.Generator) -> None:
    plain = Plain((1, count), dtype)
    array = rng.integers(0, 2, (1, count)).astype(dtype)
    np.testing.assert_array_equal(run(Reorder(plain, plain), target, [(array, plain)]), array)
