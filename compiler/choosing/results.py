"""What was measured of a family, one JSON object a line: an interrupted choice goes on from there."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any

import separable
from separable.compiler.errors import CompileError
from separable.compiler.intervals import FEWEST_VALUES, median_interval
from separable.compiler.lines import LinesFile, read_lines

_SCHEMA = 1
_LONGEST_LINE, _LONGEST_TEXT, _MOST_TURNS = 1 << 16, 300, 1000
_SOURCES = ("compiler", "schedules", "targets", "runtime")


class ResultsError(CompileError):
    """A file of results is malformed, or cannot be read or written."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a run: the typical one, and the interval that it lies in with 95 % confidence.

    That of an estimate is the interval that the latency will hardly leave.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Key:
    """What a result holds for.

    Attributes:
        network: a member's key.
        target: what the code is for, as ``row_key`` names it.
        threads: that share the work.
        compiler: version, and a digest of its sources.
        device: what it ran on, in words.
    """

    network: str
    target: str
    threads: int
    compiler: str
    device: str


@dataclass(frozen=True)
class Result:
    """One measurement.

    Attributes:
        key: what it holds for.
        turns_ms: the median run of each turn; each turn is a process of its own.
        bounds_ms: of an estimate, lowest and highest; None if it was measured.
        file_bytes: size of the library.
        memory_bytes: weights, arena and scratch memory: what it needs while it runs.
        mult_adds: for one input.
        parameters: as they are in the library, batch normalisation folded.
    """

    key: Key
    turns_ms: tuple[float, ...]
    bounds_ms: tuple[float, float] | None
    file_bytes: int
    memory_bytes: int
    mult_adds: int
    parameters: int

    @property
    def latency(self) -> Latency:
        """The median over the turns; with too few of them for an interval, their range."""
        median = statistics.median(self.turns_ms)
        if self.bounds_ms is not None:
            return Latency(median, *self.bounds_ms)
        if len(self.turns_ms) < FEWEST_VALUES:
            return Latency(median, min(self.turns_ms), max(self.turns_ms))
        return Latency(median, *median_interval(self.turns_ms))

    def line(self) -> str:
        """The result as a line of a file."""
        values = asdict(self)
        values |= {"turns_ms": [round(turn, 5) for turn in self.turns_ms]}
        key = values.pop("key")
        return json.dumps({"schema": _SCHEMA, **key, **values}, separators=(",", ":"), allow_nan=False) + "\n"


class ResultsFile:
    """A file of results that this process, and no other, appends to.

    Attributes:
        notes: what the user should know about the file.
    """

    def __init__(self, path: Path) -> None:
        """Open or create it, and read what it holds.

        Raises:
            ResultsError: a line is malformed, the file cannot be written, or another process writes to it.
        """
        self._file = LinesFile(path, "results file", ResultsError)
        try:
            results, cut = read_lines(path, partial(_parse, path), ResultsError)
            self._file.mend(cut=cut)
        except BaseException:
            self._file.close()
            raise
        self.notes: tuple[str, ...] = (
            (f"the last line of {path} was cut off in writing; it is left out",) if cut else ()
        )
        self._known = _joined(results)

    def find(self, key: Key) -> Result | None:
        """All that was measured of it, the turns of several measurements in a row."""
        return self._known.get(key)

    def append(self, result: Result) -> Result:
        """Write a result and wait until it is on the disk; return all that is known of its key.

        Raises:
            ResultsError: the disk is full, or fails.
        """
        self._file.append(result.line())
        known = self._known.get(result.key)
        self._known |= _joined([result] if known is None else [known, result])
        return self._known[result.key]

    def close(self) -> None:
        """Give the file back to others."""
        self._file.close()

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@cache
def compiler_version() -> str:
    """The version of the package, and 8 digits that change with its sources: other code, other times."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".c", ".h", ".json") and path.is_file():
                digest.update(path.read_bytes())
    return f"{separable.__version__}+{digest.hexdigest()[:8]}"


def _joined(results: Iterable[Result]) -> dict[Key, Result]:
    """One result for each key: the latest, with the turns of all."""
    known: dict[Key, Result] = {}
    for result in results:
        earlier = known.get(result.key)
        measured = earlier is not None and earlier.bounds_ms is None and result.bounds_ms is None
        turns = earlier.turns_ms if earlier is not None and measured else ()
        known[result.key] = replace(result, turns_ms=turns + result.turns_ms)
    return known


def _parse(path: Path, line: bytes, number: int) -> Result:
    try:
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"the line is longer than {_LONGEST_LINE} bytes")
        return _result(json.loads(line))
    except (ValueError, RecursionError, OverflowError) as error:
        what = "nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise ResultsError(f"{path}, line {number}: {what}; remove the line or name another file") from error


def _result(value: object) -> Result:
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    if value.get("schema") != _SCHEMA:
        raise ValueError(f"schema {str(value.get('schema'))[:20]!r}, this version reads {_SCHEMA}")
    texts = {field.name: _text(value, field.name) for field in fields(Key) if field.name != "threads"}
    turns, bounds = _times(value, "turns_ms"), None
    if value.get("bounds_ms") is not None:
        low, high = _times(value, "bounds_ms", exactly=2)
        bounds = low, high
    counts = ("file_bytes", "memory_bytes", "mult_adds", "parameters")
    return Result(
        Key(threads=_count(value, "threads"), **texts),
        turns,
        bounds,
        **{name: _count(value, name) for name in counts},
    )


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT or not text.isprintable():
        raise ValueError(f"{name}: expected a line of text of at most {_LONGEST_TEXT} characters")
    return text


def _count(value: Mapping[str, Any], name: str) -> int:
    number = value.get(name)
    if type(number) is not int or not 0 <= number < 1 << 50:
        raise ValueError(f"{name}: expected an integer, 0 or more")
    return number


def _times(value: Mapping[str, Any], name: str, exactly: int | None = None) -> tuple[float, ...]:
    times = value.get(name)
    if not isinstance(times, list) or not 1 <= len(times) <= _MOST_TURNS or exactly not in (None, len(times)):
        raise ValueError(f"{name}: expected a list of {exactly or f'1 to {_MOST_TURNS}'} numbers")
    if not all(type(time) in (int, float) and math.isfinite(time) and time > 0 for time in times):
        raise ValueError(f"{name}: expected numbers above 0")
    return tuple(float(time) for time in times)
