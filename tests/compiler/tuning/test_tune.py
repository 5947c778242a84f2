"""A whole tuning on devices that say what a test needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from separable.compiler.commands.terminal import stdout
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.compiler.tuning.bench import Outcome
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.errors import DeviceLost, NoDevice, TuningError
from separable.compiler.tuning.fleet import FixedSource
from separable.compiler.tuning.records import NETWORK, best_records, load_records
from separable.compiler.tuning.tasks import Task, tasks_of
from separable.compiler.tuning.tune import Tuned, TuneOptions, tune_model
from separable.compiler.tuning.view import result_table, verdict_text
from tests.compiler.tiny import save_tiny
from tests.compiler.tuning.samples import TARGET, FakeDevice, finished, make_record

MORE_TRIALS = 4
"""Beyond the defaults."""


class Notes:
    """A watcher that keeps notes only."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, tasks: Sequence[Task], options: TuneOptions, known: Sequence[Outcome]) -> None:
        """Of no interest."""

    def observe(self, outcome: Outcome) -> None:
        """Of no interest."""

    def note(self, text: str) -> None:
        self.notes.append(text)


class Timed(FakeDevice):
    """A device on which the first programs, the defaults, take 1000 ns, and later ones 2 ns less: noise, or so many."""

    def __init__(self, defaults: int, faster_ns: float = 998.0) -> None:
        super().__init__(self._time)
        self.defaults, self.faster_ns = defaults, faster_ns

    def _time(self, candidate: Candidate) -> Finished:
        ns = 1000.0 if len(self.ran) <= self.defaults else self.faster_ns
        return finished(json.dumps({"samples_ns": [ns], "max_error": 0.0, "frequency_khz": None, "cpu": 0}))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tasks(model: Path) -> list[Task]:
    return tasks_of(build_model(CompileOptions(model, TARGET.name), Phases()))


def tune(
    model: Path, records: Path, devices: Sequence[FakeDevice], trials: int | None = None, budget_s: float | None = None
) -> Tuned:
    options = TuneOptions(model, records, target=TARGET.name, trials=trials, budget_s=budget_s)
    return tune_model(options, Notes(), FixedSource(devices))


def test_where_no_tile_wins_alone_the_defaults_are_the_choice(model: Path, tasks: list[Task], tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    tuned = tune(model, records, [Timed(len(tasks))], len(tasks) + MORE_TRIALS)
    assert tuned.trials >= len(tasks) + MORE_TRIALS
    assert tuned.verdict is not None
    assert not tuned.verdict.tiles
    measured = load_records(records).records
    assert {record.nanoseconds for record in measured} == {1000.0, 998.0}
    chosen = best_records(measured)
    assert {(record.workload, record.tile, record.stage) for record in chosen.values()} == {
        (task.workload, task.space.default, NETWORK) for task in tasks
    }


def test_an_earlier_choice_stands(model: Path, tasks: list[Task], tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    task = tasks[0]
    proved = task.space.tiles[-1]
    assert proved != task.space.default
    records.write_text(make_record(task.workload, proved, stage=NETWORK).line())
    tune(model, records, [Timed(len(tasks))], len(tasks))
    chosen = {record.workload: record.tile for record in best_records(load_records(records).records).values()}
    assert chosen == {each.workload: each.space.default for each in tasks} | {task.workload: proved}


def test_what_was_not_measured_is_said(model: Path, tasks: list[Task], tmp_path: Path) -> None:
    device = Timed(len(tasks))
    device.answer = lambda candidate: finished(returncode=-4) if len(device.ran) == 1 else device._time(candidate)
    tuned = tune(model, tmp_path / "records.json", [device], len(tasks))
    assert f"1 of {len(tasks)} kernels were not measured" in verdict_text(tuned)
    console = stdout()
    with console.capture() as printed:
        console.print(result_table(tuned, {}, None))
    assert printed.get().count("not measured") == 1


def test_without_a_default_that_runs_there_is_no_result(model: Path, tasks: list[Task], tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    with pytest.raises(TuningError, match="no default tile was measured: ended with signal 4"):
        tune(model, records, [FakeDevice(lambda candidate: finished(returncode=-4))], len(tasks))
    assert not load_records(records).records


def test_without_a_device_there_is_no_result(model: Path, tmp_path: Path) -> None:
    with pytest.raises(TuningError, match="no device answered"):
        tune(model, tmp_path / "records.json", [], budget_s=2.0)


def test_a_device_that_is_gone_before_the_finals_is_not_waited_for(
    model: Path, tasks: list[Task], tmp_path: Path
) -> None:
    def answer(candidate: Candidate) -> Finished:
        if len(device.ran) > len(tasks) + 1:
            raise DeviceLost("it is gone", device.name)
        return device._time(candidate)

    device = Timed(len(tasks), faster_ns=500.0)
    device.answer = answer
    records = tmp_path / "records.json"
    with pytest.raises(NoDevice, match="the time is over and no device is left"):
        tune(model, records, [device], budget_s=10.0)
    assert {record.nanoseconds for record in load_records(records).records} == {1000.0, 500.0}
