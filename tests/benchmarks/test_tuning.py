"""The benchmark of tuning: what a trial costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from separable.benchmarks.tuning import Cost, costs_text, measure_costs
from separable.compiler.tuning.candidate import CandidateBuilder, Effort
from separable.compiler.tuning.fleet import FixedSource, Fleet
from separable.compiler.tuning.local import LocalDevice
from separable.compiler.tuning.tasks import Task
from separable.schedules.space import space
from separable.targets.host import detect_host
from tests.schedules.workloads import one_of_each


def test_the_text_tells_medians() -> None:
    costs = [Cost("a", build_s=0.1, run_s=0.05, timed_s=0.02), Cost("a", build_s=0.2, run_s=0.05, timed_s=0.02)]
    assert costs[0].overhead_s == pytest.approx(0.13)
    text = costs_text(costs)
    assert "2 trials: build 0.150 s, run 0.050 s of which 0.020 s" in text
    assert "overhead 0.180 s" in text


def test_trials_are_measured_one_by_one(tmp_path: Path) -> None:
    host, effort = detect_host(), Effort(samples=2, microseconds=10)
    w = one_of_each(host.lanes)["depthwise"]
    task = Task("depthwise_0", w, space(w, host), 1, w.macs)
    builder = CandidateBuilder(host, tmp_path, effort=effort)
    with Fleet(FixedSource([LocalDevice()]), poll_s=0.01) as fleet:
        costs = measure_costs([task], builder, fleet, effort, trials=2)
    assert len(costs) == 2
    assert all(cost.build_s > 0 and cost.run_s > cost.timed_s > 0 for cost in costs)
