"""From tile to record: what is known, what fails, what ends everything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from separable.compiler.tuning.candidate import CandidateFailed
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.errors import DeviceLost
from separable.compiler.tuning.records import NETWORK, Record, RecordsFile, RecordsUnwritable, load_records
from separable.schedules.space import Tile
from separable.schedules.workload import Workload
from tests.compiler.tuning.fakes import FakeBench, make_task
from tests.compiler.tuning.samples import finished, make_record, pointwise


def thousand(w: Workload, tile: Tile) -> float:
    return 1000.0


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordsFile]:
    with RecordsFile(tmp_path / "records.json") as file:
        yield file


def test_a_measurement_is_on_the_disk_before_it_is_told(records: RecordsFile, tmp_path: Path) -> None:
    bench = FakeBench(thousand, records, tmp_path)
    seen: list[int] = []
    bench._observe = lambda outcome: seen.append(len(load_records(records.path).records))
    task = make_task()
    for tile in task.space.tiles[:3]:
        bench.submit(task, tile).result()
    bench.close()
    assert seen == [1, 2, 3]


def test_a_tile_is_measured_once(records: RecordsFile, tmp_path: Path) -> None:
    bench = FakeBench(thousand, records, tmp_path)
    task = make_task()
    first = bench.submit(task, task.space.default)
    assert bench.submit(task, task.space.default) is first
    first.result()
    bench.close()
    assert bench.trials == 1


def test_programs_are_removed(records: RecordsFile, tmp_path: Path) -> None:
    bench = FakeBench(thousand, records, tmp_path)
    (tmp_path / "program_1").touch()
    task = make_task()
    bench.submit(task, task.space.default).result()
    bench.close()
    assert not (tmp_path / "program_1").exists()


@pytest.mark.parametrize(
    "result",
    [CandidateFailed("no"), DeviceLost("it took three devices"), finished(returncode=-9), finished("rubbish")],
    ids=["build", "device", "signal", "report"],
)
def test_a_failed_trial_is_told_and_goes_on(records: RecordsFile, tmp_path: Path, result: Finished | Exception) -> None:
    bench = FakeBench(lambda w, tile: result, records, tmp_path)
    task = make_task()
    outcome = bench.submit(task, task.space.default).result()
    bench.close()
    assert outcome.record is None
    assert outcome.failure
    assert outcome.seconds is None
    assert bench.outcomes == [outcome]
    assert bench.error is None


def test_a_full_disk_ends_it_and_keeps_what_was_written(
    records: RecordsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = records.append

    def full(record: Record) -> None:
        if len(load_records(records.path).records) == 2:
            raise RecordsUnwritable("the disk is full")
        append(record)

    monkeypatch.setattr(records, "append", full)
    bench = FakeBench(thousand, records, tmp_path)
    task = make_task()
    outcomes = [bench.submit(task, tile) for tile in task.space.tiles[:8]]
    assert sum(future.result().record is not None for future in outcomes) == 2
    bench.close()
    assert isinstance(bench.error, RecordsUnwritable)
    assert bench.stopped
    assert len(load_records(records.path).records) == 2


def test_a_defect_is_no_silent_failure(records: RecordsFile, tmp_path: Path) -> None:
    def broken(w: Workload, tile: Tile) -> float:
        raise ZeroDivisionError

    bench = FakeBench(broken, records, tmp_path)
    task = make_task()
    bench.submit(task, task.space.default).result()
    bench.close()
    assert isinstance(bench.error, ZeroDivisionError)


def test_after_stop_nothing_is_built(records: RecordsFile, tmp_path: Path) -> None:
    bench = FakeBench(thousand, records, tmp_path)
    bench.stop()
    task = make_task()
    assert bench.submit(task, task.space.default).result().record is None
    bench.close()
    assert bench.fake.built == []
    assert bench.outcomes == []
    assert (bench.begun, bench.trials) == (1, 0)


def test_a_frozen_device_does_not_hold_up_the_end(records: RecordsFile, tmp_path: Path) -> None:
    bench = FakeBench(thousand, records, tmp_path)

    class Frozen:
        def submit(self, candidate: Candidate) -> Future[Finished]:
            return Future()

    bench._devices = Frozen()
    task = make_task()
    for tile in task.space.tiles[:6]:
        bench.submit(task, tile)
    closing = threading.Thread(target=bench.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()


def test_what_earlier_runs_measured_is_known(tmp_path: Path) -> None:
    task = make_task()
    tiles = task.space.tiles
    path = tmp_path / "records.json"
    earlier = [
        make_record(tile=tiles[1], ns=5.0),
        make_record(tile=tiles[1], ns=3.0),
        make_record(tile=tiles[2], ns=4.0, threads=2),
        make_record(tile=tiles[3], ns=4.0, stage=NETWORK),
        replace(make_record(tile=tiles[4]), target="aarch64:cortex-a76"),
        make_record(pointwise(32), tile=tiles[1]),
    ]
    path.write_text("".join(record.line() for record in earlier))
    with RecordsFile(path) as file:
        bench = FakeBench(thousand, file, tmp_path)
        (known,) = bench.known([task])
        assert (known.tile, known.seconds) == (tiles[1], 3e-9)
        assert bench.submit(task, tiles[1]).result() is known
        assert bench.trials == 0
        bench.close()


def test_finals_measure_in_turns_and_leave_out_what_fails(records: RecordsFile, tmp_path: Path) -> None:
    task = make_task()
    good, bad, other = task.space.tiles[:3]

    def cost(w: Workload, tile: Tile) -> object:
        return CandidateFailed("no") if tile == bad else 100.0 if tile == good else 200.0

    bench = FakeBench(cost, records, tmp_path)  # type: ignore[arg-type]
    assert bench.measure_again({task: [good, bad, other]}, rounds=3) == {task.name: {good: 100.0, other: 200.0}}
    bench.close()
    assert [record.tile for record in load_records(records.path).records] == [good, other] * 3


def test_the_choice_of_the_network_is_recorded(records: RecordsFile, tmp_path: Path) -> None:
    bench = FakeBench(thousand, records, tmp_path)
    task = make_task()
    bench.record_network(task, task.space.tiles[3], (7.0,), "board")
    bench.close()
    (record,) = load_records(records.path).records
    assert (record.stage, record.tile, record.samples_ns) == (NETWORK, task.space.tiles[3], (7.0,))


def test_an_earlier_choice_is_known(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    path.write_text(make_record(stage=NETWORK).line() + make_record(pointwise(32)).line())
    with RecordsFile(path) as file:
        bench = FakeBench(thousand, file, tmp_path)
        assert bench.has_choice(make_task())
        assert not bench.has_choice(make_task("pointwise_1", pointwise(32)))
        bench.close()
