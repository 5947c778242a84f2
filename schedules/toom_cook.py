"""The matrices of Winograd's minimal filtering F(m, r), by the construction of Toom and Cook, in exact fractions.

    y = A^T [(G g) * (B^T d)]        d: m + r - 1 inputs, g: r taps, y: m outputs, * element by element

Multiplying polynomials by their values at m + r - 2 points and at infinity, transposed: Blahut, "Fast Algorithms for
Signal Processing", section 5.4; Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks".
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]

POINTS: dict[int, tuple[Fraction, ...]] = {
    2: (Fraction(0), Fraction(1), Fraction(-1)),
    4: (Fraction(0), Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2)),
}
"""Where the polynomials are evaluated, by m, for three taps: zero, then pairs of opposite numbers.

A pair shares half of its sums. The values for m = 4 are those with the smallest error among fractions of few bits,
whose powers float32 holds exactly: a third of the error of the usual 0, 1, -1, 2, -2. With m = 6 the best ones found
err four times as much, for a fifth fewer products.
"""


@dataclass(frozen=True)
class Transforms:
    """The three matrices of F(m, r).

    Attributes:
        inputs: B^T, square, m + r - 1 rows.
        filters: G, m + r - 1 rows of r.
        outputs: A^T, m rows of m + r - 1.
    """

    inputs: Matrix
    filters: Matrix
    outputs: Matrix


@functools.cache
def transforms(outputs: int, points: tuple[Fraction, ...], taps: int = 3) -> Transforms:
    """The matrices for ``outputs`` values at a time, from ``outputs + taps - 2`` distinct points and infinity."""
    zero, one = Fraction(0), Fraction(1)
    others = [[other for other in points if other != point] for point in points]
    inputs = [(*_monic(roots), zero) for roots in others] + [_monic(points)]
    scales = [
        math.prod((point - root for root in roots), start=one) for point, roots in zip(points, others, strict=True)
    ]
    filters = [tuple(p**k / scale for k in range(taps)) for p, scale in zip(points, scales, strict=True)]
    filters.append((*[zero] * (taps - 1), one))
    last = outputs - 1
    results = [(*(point**k for point in points), one if k == last else zero) for k in range(outputs)]
    return Transforms(tuple(inputs), tuple(filters), tuple(results))


def _monic(roots: tuple[Fraction, ...] | list[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients, the lowest first, of the polynomial with these roots and leading coefficient 1."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*(-root * c for c in coefficients), Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return tuple(coefficients)
