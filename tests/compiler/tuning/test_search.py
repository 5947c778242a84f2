"""MetaSchedule on our spaces: default first, good tiles soon, nothing twice, a clean end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from separable.compiler.tuning.candidate import CandidateFailed
from separable.compiler.tuning.errors import NoDevice
from separable.compiler.tuning.model import TileModel, features
from separable.compiler.tuning.records import RecordsFile, load_records
from separable.compiler.tuning.search import Limits, _end_at_once, search
from separable.schedules.space import Tile, parameters
from separable.schedules.workload import Workload
from tests.compiler.tuning.fakes import Cost, FakeBench, make_task
from tests.compiler.tuning.samples import TARGET, finished, pointwise
from tests.schedules.workloads import one_of_each


def cost(w: Workload, tile: Tile) -> float:
    """Nanoseconds, best at one corner of the space."""
    values = parameters(tile)
    return 1000.0 + 100 * abs(values["columns"] - 3) + 30 * values["pixels_outer"] + 10 * abs(values["unroll"] - 16)


def slow(w: Workload, tile: Tile) -> float:
    """The same, when it takes a while to learn it."""
    time.sleep(0.02)
    return cost(w, tile)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordsFile]:
    with RecordsFile(tmp_path / "records.json") as file:
        yield file


def run(cost: Cost, records: RecordsFile, folder: Path, limits: Limits, tasks: int = 1, seed: int = 0) -> FakeBench:
    bench = FakeBench(cost, records, folder)
    try:
        search([make_task(f"task_{i}", pointwise(64 << i)) for i in range(tasks)], bench, limits, seed)
    finally:
        bench.close()
    return bench


def test_the_default_tiles_come_first(records: RecordsFile, tmp_path: Path) -> None:
    bench = run(cost, records, tmp_path, Limits(trials=20), tasks=3)
    first = [(outcome.task.name, outcome.tile) for outcome in bench.outcomes[:3]]
    assert first == [
        (name, make_task(name, pointwise(64 << i)).space.default)
        for i, name in enumerate(["task_0", "task_1", "task_2"])
    ]


def test_it_finds_a_tile_near_the_best_in_a_part_of_the_space(records: RecordsFile, tmp_path: Path) -> None:
    task = make_task()
    trials = len(task.space.tiles) // 2
    bench = run(cost, records, tmp_path, Limits(trials=trials))
    best = min(cost(task.workload, tile) for tile in task.space.tiles)
    found = min(outcome.record.nanoseconds for outcome in bench.outcomes if outcome.record)
    assert found <= best + 40


def test_no_tile_is_measured_twice_and_the_number_of_trials_is_kept(records: RecordsFile, tmp_path: Path) -> None:
    bench = run(cost, records, tmp_path, Limits(trials=40), tasks=2)
    assert len(set(bench.fake.built)) == len(bench.fake.built)
    assert 40 <= bench.trials <= 48  # a batch is begun as a whole
    assert len(load_records(records.path).records) == bench.trials


def test_a_space_that_is_measured_to_its_end_ends_the_search(records: RecordsFile, tmp_path: Path) -> None:
    w = one_of_each(TARGET.lanes)["depthwise"]
    task = make_task("depthwise_0", w)
    bench = FakeBench(lambda w, tile: 100.0 * parameters(tile)["rows"], records, tmp_path)
    search([task], bench, Limits(trials=10_000))
    bench.close()
    assert bench.trials >= 0.9 * len(task.space.tiles)


def test_an_earlier_run_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    with RecordsFile(path) as file:
        first = run(cost, file, tmp_path, Limits(trials=24))
    with RecordsFile(path) as file:
        second = run(cost, file, tmp_path, Limits(trials=24), seed=5)
    assert not {tile for _, tile in first.fake.built} & {tile for _, tile in second.fake.built}
    assert second.trials >= 24


def test_time_ends_the_search(records: RecordsFile, tmp_path: Path) -> None:
    start = time.monotonic()
    bench = run(slow, records, tmp_path, Limits(deadline=start + 0.5))
    assert time.monotonic() - start < 5
    assert 0 < bench.trials < len(make_task().space.tiles)
    assert bench.error is None


def test_failing_candidates_do_not_end_it(records: RecordsFile, tmp_path: Path) -> None:
    def fails(w: Workload, tile: Tile) -> object:
        columns = parameters(tile)["columns"]
        if tile == make_task().space.default or columns % 3 == 0:
            return cost(w, tile)
        if columns % 3 == 1:
            return CandidateFailed("cannot be compiled")
        return finished(returncode=-11)

    bench = run(fails, records, tmp_path, Limits(trials=40))  # type: ignore[arg-type]
    failures = {outcome.failure for outcome in bench.outcomes if outcome.record is None}
    assert {"cannot be compiled", "ended with signal 11"} == failures
    assert len(bench.outcomes) >= 40
    assert bench.error is None


def test_a_search_in_which_everything_fails_ends(records: RecordsFile, tmp_path: Path) -> None:
    bench = run(lambda w, tile: finished(returncode=1), records, tmp_path, Limits(trials=16))
    assert not load_records(records.path).records
    assert bench.trials >= 16


def test_the_loss_of_all_devices_ends_it(records: RecordsFile, tmp_path: Path) -> None:
    calls = []

    def lost(w: Workload, tile: Tile) -> object:
        calls.append(tile)
        return cost(w, tile) if len(calls) < 10 else NoDevice("no device is left")

    bench = run(lost, records, tmp_path, Limits(trials=1000))  # type: ignore[arg-type]
    assert isinstance(bench.error, NoDevice)
    assert len(load_records(records.path).records) == 9


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, Event]]:
    """What was to be called at the interpreter's exit."""
    registered: list[tuple[object, Event]] = []
    fake = SimpleNamespace(register=lambda end, left: registered.append((end, left)))
    monkeypatch.setattr("separable.compiler.tuning.search.atexit", fake)  # not in the module: others register, too
    return registered


def interrupt_soon(bench: FakeBench) -> Thread:
    """Ctrl-C once MetaSchedule is at work, received by another thread than the main one, as may be."""

    def press() -> None:
        while len(bench.outcomes) < 2:  # the first is the default's
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    thread = Thread(target=press)
    thread.start()
    return thread


def test_an_interrupt_keeps_what_was_found_and_leaves_no_thread_in_tvm(
    records: RecordsFile, tmp_path: Path, exits: list[tuple[object, Event]]
) -> None:
    bench = FakeBench(slow, records, tmp_path)
    thread = interrupt_soon(bench)
    with pytest.raises(KeyboardInterrupt):
        search([make_task()], bench, Limits(trials=1000))
    thread.join()
    bench.close()
    assert bench.stopped
    assert len(load_records(records.path).records) >= 1
    ((_, left),) = exits
    assert left.is_set()


def test_a_search_that_does_not_end_is_left_without_unwinding_it(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    monkeypatch.setattr("os._exit", statuses.append)
    left = Event()
    _end_at_once(left)
    left.set()
    _end_at_once(left)
    assert statuses == [130]


class TestModel:
    def test_features_are_numbers_of_one_length_for_every_kind(self) -> None:
        workloads = one_of_each(TARGET.lanes)
        rows = [
            features(task, task.space.tiles[-1])
            for task in (make_task(kind, workloads[kind]) for kind in ("pointwise", "conv", "depthwise", "dense"))
        ]
        rows.append(features(fused := make_task("f", workloads["depthwise_pointwise"]), fused.space.default))
        assert len({len(row) for row in rows}) == 1
        assert all(isinstance(value, float) for row in rows for value in row)

    @pytest.mark.parametrize("trees", [True, False])
    def test_it_ranks_what_it_has_learnt(self, trees: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if not trees:
            monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        else:
            pytest.importorskip("xgboost")
        task, model = make_task(), TileModel()
        tiles = task.space.tiles
        for tile in [tiles[0], *tiles[1::2]]:
            model.learn(task, tile, cost(task.workload, tile))
        guesses = model.guess(task, tiles)
        ranked = sorted(range(len(tiles)), key=lambda i: guesses[i])
        costs = [cost(task.workload, tile) for tile in tiles]
        good = sum(costs[i] for i in ranked[:10]) / 10
        assert good < sum(costs) / len(costs) - 100

    def test_it_says_nothing_before_it_has_learnt(self) -> None:
        task = make_task()
        assert not TileModel().guess(task, task.space.tiles[:3]).any()
