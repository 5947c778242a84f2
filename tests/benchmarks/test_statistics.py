from __future__ import annotations

import math

import numpy as np
import pytest

from separable.benchmarks.statistics import FEWEST_ROUNDS, Times, compare, median_interval, summarize


def noisy(milliseconds: float, rounds: int, spread: float = 0.05, seed: int = 0) -> Times:
    random = np.random.default_rng(seed)
    return milliseconds * random.uniform(1 - spread, 1 + spread, (rounds, 10))


def test_summary() -> None:
    summary = summarize(np.arange(1.0, 12.0).reshape(1, 11))
    assert (summary.median, summary.min, summary.p90) == (6, 1, 10)


def test_fewest_rounds_give_the_whole_range() -> None:
    assert median_interval([6, 1, 5, 2, 4, 3]) == (1, 6)


def test_fewer_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        median_interval([1.0] * (FEWEST_ROUNDS - 1))


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


def test_clear_differences_are_ranked() -> None:
    assert compare(noisy(10, 30), noisy(12, 30, seed=1)).verdict == "faster"
    assert compare(noisy(12, 30), noisy(10, 30, seed=1)).verdict == "slower"


@pytest.mark.parametrize(("milliseconds", "spread"), [(10.0, 0.05), (10.05, 0.001), (11.0, 0.9)])
def test_noise_is_not_ranked(milliseconds: float, spread: float) -> None:
    """Equal contenders, one half a percent slower, and one ten percent slower where runs differ by far more."""
    verdict = compare(noisy(10, 8, spread), noisy(milliseconds, 8, spread, seed=1)).verdict
    assert verdict == "not ranked"


def test_a_slow_moment_of_the_machine_hits_both() -> None:
    weather = np.linspace(1, 3, 30)[:, np.newaxis]
    comparison = compare(noisy(10, 30, 0.01) * weather, noisy(11, 30, 0.01, seed=1) * weather)
    assert comparison.verdict == "faster"
    assert comparison.ratio == pytest.approx(10 / 11, abs=0.01)
    assert comparison.low <= comparison.ratio <= comparison.high
