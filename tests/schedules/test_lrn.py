from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import lrn
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Lrn
from separable.targets.table import find_target
from tests.schedules.harness import assert_close, run

AROUND = Halo(1, 2, 1, 0)


def expected(x: np.ndarray, size: int, alpha: float, beta: float, bias: float) -> np.ndarray:
    squares = np.square(x, dtype=np.float64)
    sums = np.stack([squares[max(0, c - (size - 1) // 2) : c + size // 2 + 1].sum(axis=0) for c in range(len(x))])
    return x / (bias + alpha / size * sums) ** beta


def check(
    channels: int,
    size: int,
    target: str,
    beta: float = 0.75,
    halos: tuple[Halo, Halo] = (Halo(), Halo()),
    pixels: tuple[int, int] = (3, 7),
    tile: lrn.Tile | None = None,
) -> None:
    lanes = find_target(target).lanes
    x = (3 * np.random.default_rng(0).standard_normal((channels, *pixels))).astype(np.float32)
    layouts = [Blocked(channels, *pixels, lanes, halo) for halo in halos]
    w = Lrn(layouts[0], layouts[1], size, 0.7, beta, 1.5)
    assert_close(run(w, target, [(x, layouts[0])], tile=tile), expected(x, size, 0.7, beta, 1.5), 1e-6)


@pytest.mark.parametrize("channels", [1, 5, 16, 17, 33])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_agrees_with_numpy(channels: int, size: int, target: str) -> None:
    check(channels, size, target)


@pytest.mark.parametrize(("channels", "size"), [(7, 9), (20, 32), (64, 31)])
def test_windows_wider_than_a_block_or_the_image(channels: int, size: int, target: str) -> None:
    check(channels, size, target)


@pytest.mark.parametrize("beta", [0.5, 1.0, 0.6])
def test_exponents(beta: float) -> None:
    check(19, 5, "native", beta)


def test_halos(target: str) -> None:
    check(19, 5, target, halos=(AROUND, Halo()))
    check(19, 5, target, halos=(Halo(), AROUND))


@pytest.mark.parametrize("columns", [1, 4])
def test_any_tile(columns: int) -> None:
    check(19, 3, "native", pixels=(2, 12), tile=lrn.Tile(columns))


def test_one_pixel(target: str) -> None:
    check(40, 5, target, pixels=(1, 1))
