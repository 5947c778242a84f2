from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import dense
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Plain
from separable.schedules.workload import Dense
from tests.schedules import reference
from tests.schedules.harness import assert_close, run


def check(
    shape: tuple[int, int, int],
    target: str,
    rng: np.random.Generator,
    activation: Activation | None = None,
    tile: dense.Tile | None = None,
) -> None:
    rows, depth, columns = shape
    w = Dense(Plain((rows, depth)), Plain((rows, columns)), Epilogue(activation=activation))
    x = rng.standard_normal((rows, depth)).astype(np.float32)
    weight = rng.standard_normal((depth, columns)).astype(np.float32)
    bias = rng.standard_normal(columns).astype(np.float32)
    expected = x.astype(np.float64) @ weight.astype(np.float64) + bias
    if activation is not None:
        expected = reference.ACTIVATIONS[activation.name](expected, *activation.parameters)
    assert_close(run(w, target, [(x, w.x)], [weight, bias], tile=tile), expected)


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (2, 3, 1), (7, 5, 3), (1, 9, 33), (13, 64, 17), (49, 33, 100), (128, 1, 8), (31, 7, 16)],
    ids=str,
)
def test_agrees_with_reference(shape: tuple[int, int, int], target: str, rng: np.random.Generator) -> None:
    check(shape, target, rng)


def test_activation(target: str, rng: np.random.Generator) -> None:
    check((13, 8, 33), target, rng, Activation("silu"))


@pytest.mark.parametrize("tile", [dense.Tile(1, 1, 4, 1), dense.Tile(5, 3, 8, 4), dense.Tile(13, 1, 33, 8)], ids=str)
def test_tiles_that_overlap(tile: dense.Tile, rng: np.random.Generator) -> None:
    check((13, 8, 33), "native", rng, tile=tile)


def test_leading_axes_are_rows(target: str, rng: np.random.Generator) -> None:
    w = Dense(Plain((2, 3, 5)), Plain((2, 3, 7)))
    x = rng.standard_normal((2, 3, 5)).astype(np.float32)
    weight = rng.standard_normal((5, 7)).astype(np.float32)
    assert_close(run(w, target, [(x, w.x)], [weight, np.zeros(7, np.float32)]), x.astype(np.float64) @ weight)
