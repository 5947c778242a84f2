"""Which tile a network is compiled with: exact record, similar one, default; and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import separable.schedules
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.compiler.tuning import apply
from separable.compiler.tuning.apply import MissingRecords, RecordedTiles, describe, distance
from separable.compiler.tuning.errors import InvalidRecord
from separable.compiler.tuning.records import NETWORK, Record, load_records, row_key
from separable.schedules import conv
from separable.schedules.space import has_space, parameters, space
from separable.schedules.workload import Conv, Window
from separable.targets.table import all_targets, find_target
from tests.compiler.tiny import save_tiny
from tests.compiler.tuning.samples import TARGET, make_record, pointwise
from tests.schedules.workloads import mobilenet, one_of_each


@pytest.fixture(autouse=True)
def no_shipped_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apply, "_SHIPPED", tmp_path / "shipped")


def write(path: Path, *records: Record) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(record.line() for record in records))
    return path


def recorded(tmp_path: Path, *records: Record, threads: int = 1) -> RecordedTiles:
    return RecordedTiles([write(tmp_path / "records.json", *records)], TARGET, threads)


class TestChoose:
    def test_an_exact_record(self, tmp_path: Path) -> None:
        w = pointwise()
        tile = space(w, TARGET).tiles[5]
        assert recorded(tmp_path, make_record(w, tile)).tile(w) == (tile, "record")

    def test_no_record(self, tmp_path: Path) -> None:
        assert recorded(tmp_path).tile(pointwise()) is None
        assert RecordedTiles([], TARGET).tile(pointwise()) is None

    def test_a_workload_without_a_space(self, tmp_path: Path) -> None:
        assert recorded(tmp_path, make_record()).tile(one_of_each(TARGET.lanes)["softmax"]) is None

    def test_a_similar_workload_is_noted(self, tmp_path: Path) -> None:
        near = pointwise(64)
        records = recorded(tmp_path, make_record(near, space(near, TARGET).tiles[1]))
        w = pointwise(96)
        found = records.tile(w)
        assert found is not None
        assert found[1] == "nearest"
        assert found[0] in space(w, TARGET).tiles
        (note,) = records.notes
        assert describe(w) in note
        assert describe(near) in note

    def test_of_two_similar_ones_the_nearer(self, tmp_path: Path) -> None:
        records = recorded(
            tmp_path, *(make_record(w, space(w, TARGET).tiles[1]) for w in (pointwise(48), pointwise(80)))
        )
        chosen = records.choose(pointwise(96))
        assert chosen is not None
        assert chosen.origin == pointwise(80)

    def test_where_the_default_is_the_best_it_stays_the_default(self, tmp_path: Path) -> None:
        assert recorded(tmp_path, make_record(pointwise(64))).tile(pointwise(96)) is None

    @pytest.mark.parametrize(
        "other",
        [
            pointwise(1024, 112),
            replace(pointwise(), window=Window((3, 3), pad=(1, 1))),
            replace(pointwise(), window=Window((1, 1), stride=(2, 2))),
            replace(pointwise(), groups=2),
            replace(pointwise(), y=replace(pointwise().y, dtype="float16")),
            one_of_each(TARGET.lanes)["depthwise"],
        ],
        ids=["far away", "window", "stride", "groups", "dtype", "kind"],
    )
    def test_others_say_nothing(self, tmp_path: Path, other: Conv) -> None:
        assert recorded(tmp_path, make_record(other, space(other, TARGET).tiles[1])).tile(pointwise(96)) is None

    def test_a_tile_outside_of_the_space_is_not_trusted(self, tmp_path: Path) -> None:
        w = pointwise()
        huge = conv.Tile(rows=1000, columns=1000, vectors=1000, unroll=7, pixels_outer=True)
        assert recorded(tmp_path, make_record(w, huge)).tile(w) is None

    def test_other_targets_are_not_used_and_said(self, tmp_path: Path) -> None:
        records = recorded(tmp_path, make_record(target=find_target("x86-64-v2")))
        assert records.tile(pointwise()) is None
        assert "1 records are for other targets" in records.notes[0]

    def test_the_records_of_the_nearest_number_of_threads(self, tmp_path: Path) -> None:
        w = pointwise()
        one, two, four = space(w, TARGET).tiles[:3]
        written = [make_record(w, tile, threads=n) for tile, n in ((one, 1), (two, 2), (four, 4))]
        for threads, tile in ((1, one), (2, two), (4, four), (8, four)):
            assert recorded(tmp_path, *written, threads=threads).tile(w) == (tile, "record")

    def test_the_choice_of_a_network_outweighs(self, tmp_path: Path) -> None:
        w = pointwise()
        tiles = space(w, TARGET).tiles
        records = recorded(tmp_path, make_record(w, tiles[0], 9.0, NETWORK), make_record(w, tiles[1], 1.0))
        assert records.tile(w) == (tiles[0], "record")

    def test_shipped_records_are_used_for_their_row(self, tmp_path: Path) -> None:
        w = pointwise()
        tile = space(w, TARGET).tiles[3]
        write(tmp_path / "shipped" / "x86_64-x86-64-v3.json", make_record(w, tile))
        assert RecordedTiles([], TARGET).tile(w) == (tile, "record")
        assert RecordedTiles([], TARGET).tile(pointwise(96)) is None  # not asked for
        assert RecordedTiles([], find_target("x86-64-v4")).tile(w) is None


class TestDistance:
    def test_it_is_zero_for_itself_and_symmetric(self) -> None:
        for w in mobilenet(8)[:6]:
            assert distance(w, w) == 0
        assert distance(pointwise(64), pointwise(96)) == pytest.approx(distance(pointwise(96), pointwise(64)))

    def test_a_factor_of_two_in_every_dimension_counts(self) -> None:
        assert distance(pointwise(64, 14), pointwise(128, 14)) == pytest.approx(2.0)
        assert distance(pointwise(64, 14), pointwise(64, 28)) == pytest.approx(2.0)

    def test_kinds_are_infinitely_far(self) -> None:
        every = one_of_each(TARGET.lanes)
        assert distance(every["dense"], every["pointwise"]) == math.inf
        assert distance(every["conv"], every["pointwise"]) == math.inf

    def test_narrower_networks_find_records_of_the_wide_one(self, tmp_path: Path) -> None:
        wide, narrow = mobilenet(TARGET.lanes, 1.0), mobilenet(TARGET.lanes, 0.75)
        records = recorded(tmp_path, *(make_record(w, space(w, TARGET).tiles[1]) for w in dict.fromkeys(wide)))
        sources = [found[1] for w in narrow if (found := records.tile(w))]
        assert sources.count("nearest") >= 20

    def test_equal_workloads_of_two_networks_share_their_record(self, tmp_path: Path) -> None:
        half, full = mobilenet(TARGET.lanes, 0.5, 224), mobilenet(TARGET.lanes, 0.5, 224)
        records = recorded(tmp_path, *(make_record(w) for w in dict.fromkeys(half)))
        assert {records.tile(w)[1] for w in full} == {"record"}  # type: ignore[index]


class TestCompile:
    def build(self, tmp_path: Path, *files: Path, require: bool = False) -> dict[str, tuple[object, str]]:
        options = CompileOptions(save_tiny(tmp_path), target="x86-64-v3", records=tuple(files), require_records=require)
        built = build_model(options, Phases())
        return {kernel.name: (kernel.workload, kernel.source) for kernel in built.scheduled.kernels}

    def test_kernels_name_their_source(self, tmp_path: Path) -> None:
        plain = self.build(tmp_path)
        assert {source for _, source in plain.values()} == {"default"}
        w = plain["depthwise_0"][0]
        file = write(tmp_path / "records.json", make_record(w, space(w, TARGET).tiles[1]))  # type: ignore[arg-type]
        assert self.build(tmp_path, file)["depthwise_0"][1] == "record"

    def test_required_records_that_are_missing_are_named(self, tmp_path: Path) -> None:
        plain = self.build(tmp_path)
        w = plain["depthwise_0"][0]
        file = write(tmp_path / "records.json", make_record(w, space(w, TARGET).tiles[1]))  # type: ignore[arg-type]
        with pytest.raises(MissingRecords, match="layers have no record") as error:
            self.build(tmp_path, file, require=True)
        assert "stem" in str(error.value)
        assert "- dw:" not in str(error.value)

    def test_all_required_records_are_there(self, tmp_path: Path) -> None:
        workloads = [w for w, _ in self.build(tmp_path).values() if has_space(w)]  # type: ignore[arg-type]
        file = write(tmp_path / "records.json", *(make_record(w) for w in workloads))  # type: ignore[arg-type]
        assert {source for _, source in self.build(tmp_path, file, require=True).values()} == {"record", "default"}

    def test_a_malformed_file_ends_it(self, tmp_path: Path) -> None:
        file = tmp_path / "records.json"
        file.write_text("{}\n")
        with pytest.raises(InvalidRecord, match=r"records\.json, line 1"):
            self.build(tmp_path, file)


def test_the_shipped_files_are_sound_and_hold_tiles_of_their_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    files = sorted((Path(separable.schedules.__file__).parent / "records").glob("*.json"))
    rows = {apply.shipped_records(row)[0]: row for row in all_targets() if apply.shipped_records(row)}
    assert set(files) == set(rows)
    assert files
    for path, row in rows.items():
        records = load_records(path).records
        assert {(record.stage, record.target) for record in records} == {(NETWORK, row_key(row))}
        # When spaces change, some may drop out; if many do, it is time to tune anew.
        usable = [space(record.workload, row).tile(parameters(record.tile)) is not None for record in records]
        assert sum(usable) >= 0.75 * len(usable)
