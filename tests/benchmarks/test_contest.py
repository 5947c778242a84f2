from __future__ import annotations

import os

import numpy as np
import pytest

from separable.benchmarks.contest import Contest, hold_contest, relative_error
from separable.benchmarks.peers.peer import Task


def contest(ours: float, theirs: float) -> Contest:
    return Contest(
        model="net",
        threads=2,
        flops=10**9,
        peak_gflops=200,
        times={"ours": np.full((6, 10), ours), "theirs": np.full((6, 10), theirs)},
    )


def test_share_of_the_peak() -> None:
    """10^9 operations in 10 ms are 100 GFLOPS."""
    assert contest(10, 8).peak_share("ours") == pytest.approx(0.5)


def test_ratio_is_ours_by_theirs() -> None:
    comparison = contest(10, 8).against("theirs")
    assert (comparison.ratio, comparison.verdict) == (1.25, "slower")


def test_relative_error() -> None:
    expected = np.array([0, 5, 10], np.float32)
    assert relative_error(expected, expected) == 0
    assert relative_error(np.array([0, 5, 11], np.float32), expected) == pytest.approx(0.1)
    assert np.isnan(relative_error(np.array([0, np.nan, 10], np.float32), expected))


def test_every_contender_has_every_turn(task: Task) -> None:
    seen = []
    result = hold_contest(
        task,
        name="relu",
        flops=4,
        peers=["onnx_runtime"],
        cpus=sorted(os.sched_getaffinity(0))[:1],
        rounds=3,
        advance=lambda: seen.append(1),
    )
    (times,) = result.times.values()
    assert times.shape == (3, 10)
    assert len(seen) == 3
    assert result.peak_gflops > 1
