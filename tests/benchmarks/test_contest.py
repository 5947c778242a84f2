from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.benchmarks import contest as contest_module
from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.contest import Contest, hold_contest
from separable.benchmarks.conversion import Entrant
from separable.benchmarks.costs import Costs
from separable.benchmarks.peers.peer import Array, Task
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


def test_speed_up_is_of_the_same_rounds(contest: Contest) -> None:
    """A machine that is half as fast in every other round."""
    slow = np.array([[1.0], [2.0]] * 3)
    times = {**contest.times, "Ours": 10 * slow * np.ones(10)}
    speed_up = replace(contest, times=times, alone=19 * slow * np.ones(10)).speed_up
    assert speed_up is not None
    assert (speed_up.ratio, speed_up.low, speed_up.high) == pytest.approx((1.9, 1.9, 1.9))
    assert contest.speed_up is None


def test_fastest_peer(contest: Contest) -> None:
    assert contest.fastest_peer == "Other 1.0"
    assert replace(contest, times={"Ours": contest.times["Ours"]}).fastest_peer is None


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
    assert result.alone is None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
def test_ours_on_one_thread_takes_turns_with_all_threads(
    workload: Workload, reference: Entrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, Sequence[int]]] = []

    class Seen(Contender):
        def __init__(self, name: str, task: Task, cpus: Sequence[int], *arguments: Any) -> None:
            super().__init__(name, task, cpus, *arguments)
            seen.append((task.threads, cpus))

    monkeypatch.setattr(contest_module, "Contender", Seen)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    result = hold_contest(workload, [reference], threads=2, cpus=[first, second], rounds=3)
    assert seen == [(2, [first, second]), (1, [first])]
    assert result.alone is not None
    assert result.alone.shape == (3, 10)
    assert len(result.times) == 1


def test_costs_are_medians_over_processes(
    workload: Workload, reference: Entrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([Costs(9, 1, 5), Costs(1, 9, 5), Costs(2, 2, 6)])

    class Counted(Contender):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.costs = next(figures)

    monkeypatch.setattr(contest_module, "Contender", Counted)
    cpus = sorted(os.sched_getaffinity(0))[:1]
    result = hold_contest(workload, [reference], threads=1, cpus=cpus, rounds=1, processes=3)
    assert list(result.costs.values()) == [Costs(2, 2, 5)]
    assert next(figures, None) is None


@pytest.mark.parametrize("wrong", [False, True])
def test_costs_of_the_program(
    workload: Workload, reference: Entrant, monkeypatch: pytest.MonkeyPatch, wrong: bool
) -> None:
    def run(program: Path, task: Task, cpus: Sequence[int]) -> tuple[Costs, dict[str, Array]]:
        assert (program, task.model, task.threads) == (Path("program"), workload.library, 1)
        return Costs(1, 2, 3), {"y": workload.expected["y"] + wrong}

    monkeypatch.setattr(contest_module, "run_program", run)
    cpus = sorted(os.sched_getaffinity(0))[:1]
    result = hold_contest(workload, [reference], threads=1, cpus=cpus, rounds=1, program=Path("program"))
    assert len(result.times) == 1
    if wrong:
        assert "output 'y' differs by" in result.failures[result.program]
        assert result.program not in result.costs
    else:
        assert result.costs[result.program] == Costs(1, 2, 3)
        assert result.errors[result.program] == 0


def test_a_peer_that_fails_is_left_out(workload: Workload, reference: Entrant) -> None:
    result = hold(workload, [reference, Entrant("ncnn", Path("missing"))])
    assert len(result.times) == len(result.costs) == 1
    assert result.failures["early"] == "no package"
    assert result.failures["ncnn"].startswith("ModuleNotFoundError")


def test_nothing_is_compared_if_ours_fails(workload: Workload, reference: Entrant) -> None:
    with pytest.raises(ContenderFailed, match=r"^ours: "):
        hold(workload, [Entrant("ours", workload.library), reference])
