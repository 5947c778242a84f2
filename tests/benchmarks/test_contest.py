from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.contest import Contest, check_outputs, hold_contest, relative_error
from separable.benchmarks.conversion import Entrant
from separable.benchmarks.workload import Workload


def hold(workload: Workload, entrants: list[Entrant], rounds: int = 3) -> Contest:
    cpus = sorted(os.sched_getaffinity(0))[:1]
    return hold_contest(workload, entrants, threads=1, cpus=cpus, rounds=rounds, failures={"early": "no package"})


@pytest.fixture
def reference(workload: Workload) -> Entrant:
    return Entrant("onnxruntime", workload.model)


def test_share_of_the_peak(contest: Contest) -> None:
    """10^9 operations in 10 ms are 100 GFLOPS."""
    assert contest.peak_share("Ours") == pytest.approx(0.5)


def test_ratio_is_ours_by_theirs(contest: Contest) -> None:
    comparison = contest.against("Other 1.0")
    assert (comparison.ratio, comparison.verdict) == (0.5, "faster")


def test_fastest_peer(contest: Contest) -> None:
    assert contest.fastest_peer == "Other 1.0"
    assert replace(contest, times={"Ours": contest.times["Ours"]}).fastest_peer is None


def test_relative_error() -> None:
    expected = np.array([0, 5, 10], np.float32)
    assert relative_error(expected, expected) == 0
    assert relative_error(np.array([0, 5, 11], np.float32), expected) == pytest.approx(0.1)
    assert np.isnan(relative_error(np.array([0, np.nan, 10], np.float32), expected))


def test_every_contender_has_every_turn(workload: Workload, reference: Entrant) -> None:
    seen: list[int] = []
    result = hold_contest(
        workload,
        [reference],
        threads=1,
        cpus=sorted(os.sched_getaffinity(0))[:1],
        rounds=3,
        advance=lambda: seen.append(1),
    )
    ((title, times),) = result.times.items()
    assert times.shape == (3, 10)
    assert len(seen) == 3
    assert result.peak_gflops > 1
    assert result.copy_gbs > 0.1
    assert result.errors == {title: 0}
    assert result.costs[title].first_run_ms > 0


def test_a_peer_that_fails_is_left_out(workload: Workload, reference: Entrant) -> None:
    result = hold(workload, [reference, Entrant("ncnn", Path("missing"))])
    assert len(result.times) == len(result.costs) == 1
    assert result.failures["early"] == "no package"
    assert result.failures["ncnn"].startswith("ModuleNotFoundError")


@pytest.mark.parametrize(
    ("name", "error", "right"),
    [("ours", 0.9e-4, True), ("ours", 1.1e-4, False), ("ncnn", 0.9e-3, True), ("ncnn", 1.1e-3, False)],
)
def test_wrong_outputs_are_refused(name: str, error: float, right: bool) -> None:
    expected = {"y": np.array([0, 1.0])}
    outputs = {"y": np.array([error, 1.0])}
    if right:
        assert check_outputs(name, outputs, expected) == pytest.approx(error)
    else:
        with pytest.raises(ContenderFailed, match=f"^{name}: output 'y' differs by 1.1e-0[34] of its range"):
            check_outputs(name, outputs, expected)


def test_outputs_of_another_shape_are_refused() -> None:
    with pytest.raises(ContenderFailed, match=r"has shape \(1,\), not \(1, 1\)"):
        check_outputs("ncnn", {"y": np.ones(1)}, {"y": np.ones((1, 1))})


def test_nothing_is_compared_if_ours_fails(workload: Workload, reference: Entrant) -> None:
    with pytest.raises(ContenderFailed, match=r"^ours: "):
        hold(workload, [Entrant("ours", workload.library), reference])
