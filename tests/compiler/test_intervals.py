from __future__ import annotations

import math

import numpy as np
import pytest

from separable.compiler.intervals import FEWEST_VALUES, median_interval


def test_fewest_values_give_the_whole_range() -> None:
    assert median_interval([6, 1, 5, 2, 4, 3]) == (1, 6)


def test_fewer_values_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        median_interval([1.0] * (FEWEST_VALUES - 1))


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (8, 1), (9, 2), (20, 6), (30, 10), (100, 40)])
def test_ranks_are_those_of_the_sign_test(count: int, rank: int) -> None:
    """Ranks as printed in tables of the sign test at 5 %, two-sided."""
    assert median_interval(range(1, count + 1)) == (rank, count + 1 - rank)
    outside = sum(math.comb(count, k) for k in range(rank)) / 2 ** (count - 1)
    assert outside <= 0.05 < outside + math.comb(count, rank) / 2 ** (count - 1)


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        low, high = median_interval(random.exponential(size=15).tolist())
        hits += low <= math.log(2) <= high
    assert 940 <= hits <= 1000
