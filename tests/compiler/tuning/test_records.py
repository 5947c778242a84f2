"""Records files: kept, mended, merged, locked, and never trusted."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from separable.compiler.tuning.errors import InvalidRecord, TuningError
from separable.compiler.tuning.records import (
    NETWORK,
    RecordsFile,
    RecordsUnwritable,
    best_records,
    load_all,
    load_records,
    merge_records,
    row_key,
)
from separable.schedules.space import space
from separable.targets.table import find_target
from tests.compiler.tuning.samples import TARGET, make_record, pointwise


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.json"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines))
    return path


class TestFile:
    def test_what_is_appended_is_read(self, path: Path) -> None:
        records = [make_record(ns=ns) for ns in (100.0, 200.5)]
        with RecordsFile(path) as file:
            for record in records:
                file.append(record)
        assert load_records(path).records == tuple(records)

    def test_a_record_is_in_the_file_at_once(self, path: Path) -> None:
        with RecordsFile(path) as file:
            file.append(make_record())
            assert len(load_records(path).records) == 1

    def test_a_second_writer_is_refused(self, path: Path) -> None:
        with RecordsFile(path), pytest.raises(RecordsUnwritable, match="another process writes"):
            RecordsFile(path)
        RecordsFile(path).close()

    def test_an_existing_file_is_continued(self, path: Path) -> None:
        write(path, make_record(ns=1.0).line())
        with RecordsFile(path) as file:
            assert len(file.earlier.records) == 1
            file.append(make_record(ns=2.0))
        assert [record.nanoseconds for record in load_records(path).records] == [1.0, 2.0]

    @pytest.mark.parametrize("cut", [1, 10, -2])
    def test_a_last_line_cut_off_is_left_out_and_mended(self, path: Path, cut: int) -> None:
        write(path, make_record(ns=1.0).line(), make_record(ns=2.0).line()[:cut])
        loaded = load_records(path)
        assert len(loaded.records) == 1
        assert "cut off" in loaded.notes[0]
        with RecordsFile(path) as file:
            file.append(make_record(ns=3.0))
        mended = load_records(path)
        assert [record.nanoseconds for record in mended.records] == [1.0, 3.0]
        assert mended.notes == ()

    def test_a_last_line_without_its_end_counts(self, path: Path) -> None:
        write(path, make_record(ns=1.0).line().rstrip("\n"))
        with RecordsFile(path) as file:
            file.append(make_record(ns=2.0))
        assert len(load_records(path).records) == 2

    def test_a_full_disk_costs_no_record(self, path: Path) -> None:
        line = make_record().line()
        with RecordsFile(path) as file:
            file.append(make_record())
            with file_limit(len(line) + len(line) // 2), pytest.raises(RecordsUnwritable, match="disk is full"):
                file.append(make_record())
            assert path.read_text() == line
            file.append(make_record())
        assert len(load_records(path).records) == 2

    def test_a_folder_without_permission(self, tmp_path: Path) -> None:
        with pytest.raises(RecordsUnwritable, match=r"cannot write the records file .*missing"):
            RecordsFile(tmp_path / "missing" / "records.json")

    def test_a_file_that_is_not_there(self, path: Path) -> None:
        with pytest.raises(TuningError, match="cannot be read"):
            load_records(path)

    def test_an_empty_file(self, path: Path) -> None:
        assert load_records(write(path)).records == ()


HOSTILE = {
    "no JSON": "{",
    "another value": "[1, 2]",
    "a number": "1",
    "NaN": '{"schema": NaN}',
    "infinity": '{"schema": 1, "samples_ns": [Infinity]}',
    "deep nesting": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a huge number": '{"schema": ' + "9" * 5000 + "}",
    "text that is no text": '{"schema": "\\ud800"}',
    "too long": '{"schema": 1, "device": "' + "x" * (1 << 21) + '"}',
}


class TestHostile:
    @pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
    def test_a_line_is_refused_with_file_and_number(self, path: Path, line: str) -> None:
        write(path, make_record().line(), line + "\n", make_record().line())
        before = path.read_bytes()
        with pytest.raises(InvalidRecord, match=r"records\.json, line 2"):
            load_records(path)
        with pytest.raises(InvalidRecord):
            RecordsFile(path)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("junk", [b"\x00\xff\xfe\n", b"\x7fELF\x00\n"])
    def test_bytes_are_refused(self, path: Path, junk: bytes) -> None:
        path.write_bytes(junk)
        with pytest.raises(InvalidRecord, match="line 1"):
            load_records(path)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("schema", 2),
            ("schema", None),
            ("stage", "guess"),
            ("workload", None),
            ("workload", {"type": "Popen"}),
            ("tile", {"type": "conv.Tile"}),
            ("tile", {"type": "conv.Tile", "rows": 1, "columns": 1, "vectors": 1, "unroll": 1, "pixels_outer": 1}),
            ("target", 7),
            ("target", "x" * 1000),
            ("threads", 0),
            ("threads", True),
            ("threads", 1.5),
            ("samples_ns", []),
            ("samples_ns", [0]),
            ("samples_ns", [-1.0]),
            ("samples_ns", ["1"]),
            ("samples_ns", [True]),
            ("samples_ns", [1e300]),
            ("samples_ns", [1.0] * 20_000),
            ("device", None),
            ("device", "red \x1b[31m"),
            ("frequency_khz", [1]),
            ("frequency_khz", ["fast", "slow"]),
            ("versions", []),
            ("versions", {"tvm": 27}),
            ("date", "yesterday"),
            ("date", 0),
        ],
    )
    def test_a_value_is_refused(self, path: Path, name: str, value: object) -> None:
        values = json.loads(make_record().line())
        values[name] = value
        write(path, json.dumps(values) + "\n")
        with pytest.raises(InvalidRecord, match="line 1"):
            load_records(path)

    def test_a_missing_value_is_refused(self, path: Path) -> None:
        values = json.loads(make_record().line())
        for name in values.keys() - {"frequency_khz"}:
            write(path, json.dumps({key: value for key, value in values.items() if key != name}) + "\n")
            with pytest.raises(InvalidRecord, match="line 1"):
                load_records(path)


class TestBest:
    def test_the_fastest_measurement(self) -> None:
        tiles = space(pointwise(), TARGET).tiles
        records = [make_record(tile=tile, ns=ns) for tile, ns in zip(tiles, (3.0, 1.0, 2.0), strict=False)]
        (best,) = best_records(records).values()
        assert best.tile == tiles[1]

    def test_the_latest_choice_of_a_network_outweighs_all(self) -> None:
        tiles = space(pointwise(), TARGET).tiles
        stages = (NETWORK, "kernel", NETWORK, "kernel")
        records = [make_record(tile=tiles[i], ns=10.0 - i, stage=stage) for i, stage in enumerate(stages)]
        (best,) = best_records(records).values()
        assert best.tile == tiles[2]

    def test_rows_and_threads_are_told_apart(self) -> None:
        records = [make_record(), make_record(threads=2), make_record(target=find_target("x86-64-v2"))]
        assert len(best_records(records)) == 3

    def test_native_shares_the_key_of_its_cpu(self) -> None:
        assert row_key(find_target("x86-64:znver3")) == "x86_64:znver3"
        assert row_key(find_target("arm64+dotprod")) != row_key(find_target("arm64"))


class TestMerge:
    def test_each_record_once_in_the_order_of_dates(self, tmp_path: Path) -> None:
        old, new = make_record(ns=1.0, date="2026-01-01T00:00:00Z"), make_record(ns=2.0)
        one = write(tmp_path / "one.json", new.line())
        two = write(tmp_path / "two.json", old.line(), new.line())
        output = tmp_path / "both.json"
        merge_records([one, two], output)
        assert load_records(output).records == (old, new)
        assert load_all([one, two]).records == (new, old, new)

    def test_only_the_best(self, tmp_path: Path) -> None:
        tiles = space(pointwise(), TARGET).tiles
        records = [make_record(tile=tile, ns=ns) for tile, ns in zip(tiles, (3.0, 1.0, 2.0), strict=False)]
        merge_records(
            [write(tmp_path / "one.json", *(record.line() for record in records))], tmp_path / "best.json", best=True
        )
        assert load_records(tmp_path / "best.json").records == (records[1],)

    def test_a_malformed_file_leaves_nothing(self, tmp_path: Path) -> None:
        bad = write(tmp_path / "bad.json", "{}\n")
        with pytest.raises(InvalidRecord):
            merge_records([bad], tmp_path / "out.json")
        assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]

    def test_an_output_that_cannot_be_written(self, tmp_path: Path) -> None:
        good = write(tmp_path / "good.json", make_record().line())
        with pytest.raises(RecordsUnwritable):
            merge_records([good], tmp_path / "no" / "out.json")


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size``, as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
