"""The matrices are exact: with fractions there is no error at all."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from separable.schedules.toom_cook import POINTS, Matrix, transforms


def times(matrix: Matrix, vector: list[Fraction]) -> list[Fraction]:
    return [sum((a * b for a, b in zip(row, vector, strict=True)), start=Fraction(0)) for row in matrix]


@pytest.mark.parametrize(
    ("outputs", "points", "taps"),
    [
        *((m, points, 3) for m, points in POINTS.items()),
        (1, (Fraction(0), Fraction(1)), 3),
        (3, tuple(map(Fraction, (0, 1, -1, 2, -2, 3))), 5),
    ],
)
def test_they_compute_a_convolution(outputs: int, points: tuple[Fraction, ...], taps: int) -> None:
    matrices = transforms(outputs, points, taps)
    rng = np.random.default_rng(0)
    size = outputs + taps - 1
    d = [Fraction(int(value), 7) for value in rng.integers(-50, 50, size)]
    g = [Fraction(int(value), 3) for value in rng.integers(-50, 50, taps)]
    products = [a * b for a, b in zip(times(matrices.filters, g), times(matrices.inputs, d), strict=True)]
    expected = [sum((d[i + k] * g[k] for k in range(taps)), start=Fraction(0)) for i in range(outputs)]
    assert times(matrices.outputs, products) == expected


@pytest.mark.parametrize("outputs", POINTS)
def test_float32_holds_what_is_computed_with_at_run_time(outputs: int) -> None:
    """The filters are transformed in float64 at compile time; images are in float32."""
    matrices = transforms(outputs, POINTS[outputs])
    for matrix in (matrices.inputs, matrices.outputs):
        assert all(Fraction(float(np.float32(float(value)))) == value for row in matrix for value in row)


@pytest.mark.parametrize("outputs", POINTS)
def test_points_come_in_pairs(outputs: int) -> None:
    """What the butterflies rely on."""
    zero, *pairs = POINTS[outputs]
    assert zero == 0
    assert len(set(pairs)) == len(pairs) == outputs
    assert all(a == -b > 0 for a, b in zip(pairs[::2], pairs[1::2], strict=True))
