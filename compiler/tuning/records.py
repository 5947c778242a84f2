"""What was measured, one JSON object a line: the memory of all tuning, made to be kept, merged and shared.

A line says what ran (workload, tile, target row, threads), how long it took (every sample), and where and when. Lines
are only ever appended, each flushed to the disk before the search goes on, so that whatever happens costs one line at
most. Nothing in a file is executed, and nothing is built from it but the classes of ``codec.py``, field by field.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from separable.compiler.lines import LinesFile, read_lines
from separable.compiler.tuning.codec import decode_tile, decode_workload, encode
from separable.compiler.tuning.errors import InvalidRecord, TuningError
from separable.schedules.space import Tile
from separable.schedules.workload import Workload
from separable.targets.row import Target

SCHEMA = 1
KERNEL, NETWORK = "kernel", "network"

_LONGEST_LINE = 1 << 20
_LONGEST_TEXT = 300
_MOST_SAMPLES = 10_000
_MOST_THREADS = 1024
_NOT_RUN = math.inf

Key: TypeAlias = tuple[Workload, str, int]
"""What a record answers: a workload, a row's key, a number of threads."""


class RecordsUnwritable(TuningError):
    """The records file cannot be written: a full disk, missing permissions, or another process that writes to it."""


@dataclass(frozen=True)
class Record:
    """One measurement.

    Attributes:
        workload: what was computed.
        target: what the code was generated for, as :func:`row_key` names it.
        threads: how many shared the work.
        tile: with which tile.
        stage: ``kernel`` if the kernel ran alone; ``network`` if it is the choice of a whole network's tuning, which
            outweighs all that was measured alone.
        samples_ns: nanoseconds of one call, sample by sample.
        device: what it ran on, in words.
        frequency_khz: of the CPU's clock before and after; None if the device does not say.
        versions: of the compiler and of TVM.
        date: when, UTC, ISO 8601.
    """

    workload: Workload
    target: str
    threads: int
    tile: Tile
    stage: str
    samples_ns: tuple[float, ...]
    device: str
    frequency_khz: tuple[int, int] | None
    versions: Mapping[str, str]
    date: str

    @property
    def key(self) -> Key:
        """What it answers."""
        return self.workload, self.target, self.threads

    @property
    def nanoseconds(self) -> float:
        """The time that counts: the least, as whatever else a device does can only add to it."""
        return min(self.samples_ns, default=_NOT_RUN)

    @property
    def median_ns(self) -> float:
        """The typical time."""
        return statistics.median(self.samples_ns)

    def line(self) -> str:
        """The record as a line of a file."""
        values = {
            "schema": SCHEMA,
            "stage": self.stage,
            "workload": encode(self.workload),
            "target": self.target,
            "threads": self.threads,
            "tile": encode(self.tile),
            "samples_ns": [round(sample, 1) for sample in self.samples_ns],
            "device": self.device,
            "frequency_khz": list(self.frequency_khz) if self.frequency_khz else None,
            "versions": dict(self.versions),
            "date": self.date,
        }
        return json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n"


@dataclass(frozen=True)
class Records:
    """What a file holds.

    Attributes:
        records: in the order of the file.
        notes: what the user should know about the file.
    """

    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()


def row_key(target: Target) -> str:
    """What the code of a row is generated for: ``x86_64:znver5``, the same for ``native`` on such a machine."""
    added = sorted(feature for feature in target.features if feature.startswith("+"))
    return f"{target.arch}:{target.cpu}{''.join(added)}"


def now() -> str:
    """The date of a record made now."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load_records(path: Path) -> Records:
    """Read a records file. A last line that was cut off, as by a power failure, is left out with a note.

    Raises:
        InvalidRecord: a line is malformed; names file and line.
        TuningError: the file cannot be read.
    """
    try:
        records, cut = read_lines(path, partial(_parse, path), InvalidRecord)
    except OSError as error:
        raise TuningError(f"the records file {path} cannot be read: {error.strerror}; check the path") from error
    notes = (f"the last line of {path} was cut off in writing; it is left out",) if cut else ()
    return Records(tuple(records), notes)


def load_all(paths: Iterable[Path]) -> Records:
    """Several files as one."""
    loaded = [load_records(path) for path in paths]
    return Records(
        tuple(record for one in loaded for record in one.records), tuple(note for one in loaded for note in one.notes)
    )


def best_records(records: Iterable[Record]) -> dict[Key, Record]:
    """The record to compile with for everything that has one.

    The latest choice of a whole network's tuning; without one, the fastest measurement.
    """
    best: dict[Key, Record] = {}
    for record in records:
        known = best.get(record.key)
        faster = known is None or (known.stage == KERNEL and record.nanoseconds < known.nanoseconds)
        if faster or record.stage == NETWORK:
            best[record.key] = record
    return best


def merge_records(paths: Sequence[Path], output: Path, *, best: bool = False) -> Records:
    """Write the records of several files to a new one, each once, in the order of their dates.

    Args:
        paths: the files.
        output: the new file.
        best: keep only what networks would be compiled with, see :func:`best_records`.

    Returns:
        What the files hold.

    Raises:
        InvalidRecord: as :func:`load_records`.
        RecordsUnwritable: the new file cannot be written; none is left then.
    """
    loaded = load_all(paths)
    kept = sorted(loaded.records, key=lambda record: record.date)
    lines = dict.fromkeys(record.line() for record in (best_records(kept).values() if best else kept))
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        temporary.write_text("".join(lines))
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RecordsUnwritable(f"cannot write {output}: {error.strerror}") from error
    return loaded


class RecordsFile:
    """A records file that this process, and no other, appends to.

    Attributes:
        path: the file.
        earlier: what it held when it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file, lock it, and mend a last line that was cut off.

        Raises:
            InvalidRecord: a line is malformed.
            RecordsUnwritable: it cannot be opened for writing, or another process writes to it.
        """
        self.path = path
        self._file = LinesFile(path, "records file", RecordsUnwritable)
        try:
            self.earlier = load_records(path)
            self._file.mend(cut=bool(self.earlier.notes))
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Record) -> None:
        """Write a record and wait until it is on the disk.

        Raises:
            RecordsUnwritable: the disk is full, or fails; the file holds what it held before.
        """
        self._file.append(record.line())

    def close(self) -> None:
        """Give the file back to others."""
        self._file.close()

    def __enter__(self) -> RecordsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _parse(path: Path, line: bytes, number: int) -> Record:
    """A record from its line.

    Raises:
        InvalidRecord: names file and line.
    """
    try:
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"the line is longer than {_LONGEST_LINE} bytes")
        return _record(json.loads(line, parse_constant=_refuse_constant))
    except (ValueError, RecursionError, OverflowError) as error:
        what = "nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidRecord(f"{path}, line {number}: {what}; remove the line or restore the file") from error


def _record(value: object) -> Record:
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    if value.get("schema") != SCHEMA:
        raise ValueError(f"schema {str(value.get('schema'))[:20]!r}, this version reads {SCHEMA}")
    workload = decode_workload(value.get("workload"))
    return Record(
        workload=workload,
        target=_text(value, "target"),
        threads=_integer(value, "threads", 1, _MOST_THREADS),
        tile=decode_tile(value.get("tile"), workload),
        stage=_one_of(value, "stage", (KERNEL, NETWORK)),
        samples_ns=_samples(value.get("samples_ns")),
        device=_text(value, "device"),
        frequency_khz=_frequency(value.get("frequency_khz")),
        versions=_versions(value.get("versions")),
        date=_date(value),
    )


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT or not text.isprintable():
        raise ValueError(f"{name}: expected a line of text of at most {_LONGEST_TEXT} characters")
    return text


def _one_of(value: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
    text = _text(value, name)
    if text not in known:
        raise ValueError(f"{name}: {text[:40]!r}, expected {' or '.join(known)}")
    return text


def _integer(value: Mapping[str, Any], name: str, least: int, most: int) -> int:
    number = value.get(name)
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"{name}: expected an integer of {least} to {most}")
    return number


def _samples(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_SAMPLES:
        raise ValueError(f"samples_ns: expected a list of 1 to {_MOST_SAMPLES} numbers")
    if not all(type(sample) in (int, float) and 0 < sample < 1e15 for sample in value):
        raise ValueError("samples_ns: expected numbers above 0 and below 10^15")
    return tuple(float(sample) for sample in value)


def _frequency(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(type(n) is int and 0 < n < 10**8 for n in value):
        raise ValueError("frequency_khz: expected null or two integers")
    return value[0], value[1]


def _versions(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > 8:
        raise ValueError("versions: expected an object")
    return {_text({"versions": name}, "versions"): _text(value, name) for name in value}


def _date(value: Mapping[str, Any]) -> str:
    text = _text(value, "date")
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"date: {text[:40]!r}, expected ISO 8601") from error
    return text


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
