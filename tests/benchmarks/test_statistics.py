from __future__ import annotations

import numpy as np
import pytest

from separable.benchmarks.statistics import Times, compare, summarize


def noisy(milliseconds: float, rounds: int, spread: float = 0.05, seed: int = 0) -> Times:
    random = np.random.default_rng(seed)
    return milliseconds * random.uniform(1 - spread, 1 + spread, (rounds, 10))


def test_summary() -> None:
    summary = summarize(np.arange(1.0, 12.0).reshape(1, 11))
    assert (summary.median, summary.min, summary.p90) == (6, 1, 10)


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
