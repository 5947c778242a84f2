"""One-dimensional transforms by small matrices of fractions, as expressions that share what their rows have in common.

The rows of Winograd's matrices come in pairs, for a point and its opposite. They are written so that both contain the
same subexpressions, which the code generator computes once. Multiplications are followed by additions: fused ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from tvm import tirx

from separable.schedules.math import select
from separable.schedules.toom_cook import Matrix

Row: TypeAlias = tuple[Fraction, ...]


def input_row(row: Row, terms: Sequence[tirx.Expr]) -> tirx.Expr:
    """One row of B^T d: the rows of opposite points are sum and difference of one even and one odd half."""
    even = _combination(row[::2], terms[::2])
    if even is None:
        return _nonzero(_combination(row[1::2], terms[1::2]))
    # With a sign of its own outside, the odd half is the same expression for both points.
    subtract = _is_negative(row[1::2])
    odd = _combination(tuple(-c for c in row[1::2]) if subtract else row[1::2], terms[1::2])
    if odd is None:
        return even
    return even - odd if subtract else even + odd


def output_row(row: Row, terms: Sequence[tirx.Expr]) -> tirx.Expr:
    """One row of A^T m: powers of opposite points are equal or opposite, so all rows take sums or differences."""
    coefficients, values = [row[0], row[-1]], [terms[0], terms[-1]]
    for j in range(1, len(terms) - 1, 2):
        coefficients.append(row[j])
        values.append(terms[j] + terms[j + 1] if row[j] == row[j + 1] else terms[j] - terms[j + 1])
    return _nonzero(_combination(tuple(coefficients), values))


def input_operations(matrix: Matrix) -> int:
    """Additions, multiplications and fused ones of B^T d."""
    alone, pairs = (matrix[0], matrix[-1]), matrix[1:-1:2]
    return sum(map(_operations, alone)) + sum(_operations(row[::2]) + _operations(row[1::2]) + 2 for row in pairs)


def output_operations(matrix: Matrix) -> int:
    """Additions, multiplications and fused ones of A^T m."""
    pairs = range(1, len(matrix[0]) - 1, 2)
    return 2 * len(pairs) + sum(_operations((row[0], *(row[j] for j in pairs), row[-1])) for row in matrix)


def choose(index: tirx.Expr, values: Sequence[tirx.Expr]) -> tirx.Expr:
    """``values[index]``; nothing is left of the choice once the loop over the index is unrolled."""
    chosen = values[-1]
    for position, value in reversed(list(enumerate(values[:-1]))):
        chosen = select(index == position, value, chosen)
    return chosen


def _is_negative(row: Row) -> bool:
    """Whether the first coefficient that is not 0 is below it."""
    return next((c for c in row if c != 0), Fraction(0)) < 0


def _combination(row: Row, terms: Sequence[tirx.Expr]) -> tirx.Expr | None:
    """The sum of the terms times their coefficients, those with coefficient 1 first; None if all are 0."""
    used = sorted(((c, term) for c, term in zip(row, terms, strict=True) if c != 0), key=lambda pair: pair[0] != 1)
    total: tirx.Expr | None = None
    for c, term in used:
        product = term if c == 1 else term * tirx.const(float(c), "float32")
        total = product if total is None else total + product
    return total


def _nonzero(combination: tirx.Expr | None) -> tirx.Expr:
    """The matrices are regular: none of their rows is all zeros."""
    assert combination is not None
    return combination


def _operations(row: Row) -> int:
    """Operations of a combination: a fused one for each coefficient, but none for the first if that is 1."""
    return sum(c != 0 for c in row) - (1 in row)
