"""Measure a family, and choose of what fits the budget the most accurate network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from separable.compiler.choosing.member import FamilyError, Member
from separable.compiler.choosing.meter import Meter, Prepared, Session
from separable.compiler.choosing.results import Key, Latency, Result, ResultsFile, compiler_version
from separable.compiler.intervals import FEWEST_VALUES
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model, c_identifier, emit_model, resolve_target
from separable.compiler.tuning.records import row_key

_FIRST_TURNS, _ALL_TURNS, _MORE_TURNS, _MOST_TURNS = 3, FEWEST_VALUES, 6, 30
_DOUBT = 0.01
"""Where a process has its memory moves its times by this much: so near to the budget, more turns tell more."""


@dataclass(frozen=True)
class Budget:
    """What a network may need; None: as much as it likes.

    Attributes:
        latency_ms: milliseconds of a run, as the median over the turns.
        memory_bytes: weights, arena and scratch memory together.
        file_bytes: size of the library.
    """

    latency_ms: float | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None

    @property
    def given(self) -> bool:
        """Whether there is any limit."""
        return (self.latency_ms, self.memory_bytes, self.file_bytes) != (None, None, None)


@dataclass(frozen=True)
class Row:
    """One network with what it needs."""

    member: Member
    result: Result

    @property
    def latency(self) -> Latency:
        """Its latency."""
        return self.result.latency

    @property
    def mult_adds(self) -> int:
        """As they are quoted, else counted."""
        return self.member.costs[0] if self.member.costs else self.result.mult_adds

    @property
    def parameters(self) -> int:
        """As they are quoted, else counted."""
        return self.member.costs[1] if self.member.costs else self.result.parameters

    def fits(self, budget: Budget) -> bool:
        """Whether it is within the budget."""
        pairs = (
            (self.latency.median, budget.latency_ms),
            (self.result.memory_bytes, budget.memory_bytes),
            (self.result.file_bytes, budget.file_bytes),
        )
        return all(limit is None or need <= limit for need, limit in pairs)


class Watcher(Protocol):
    """Told what goes on."""

    def phase(self, member: Member, what: str) -> None:
        """Something is done for a member."""

    def done(self, row: Row, how: str) -> None:
        """A member was measured for the first or the second time, or by an earlier run."""


class Bench:
    """Compiles members and times them; all that is measured goes to the results file."""

    def __init__(
        self, target: str, threads: int, meter: Meter, results: ResultsFile, watcher: Watcher, folder: Path
    ) -> None:
        """Prepare.

        Args:
            target: as for ``compile``.
            threads: that networks run with.
            meter: times them.
            results: what is known, and where to write what is measured.
            watcher: told what goes on.
            folder: for temporary files.
        """
        self._target, self._threads, self._meter = target, threads, meter
        self._results, self._watcher, self._folder = results, watcher, folder
        self._row_key = row_key(resolve_target(target))
        self._open: dict[str, tuple[Session, Mapping[str, Any]]] = {}

    def measure(self, member: Member, turns: int, how: str) -> Row:
        """The member with so many turns, those of earlier runs included.

        Raises:
            CompileError: it cannot be compiled or does not run.
        """
        known = self._results.find(self._key(member))
        missing = turns - (len(known.turns_ms) if known else 0) if self._meter.repeats else int(known is None)
        row = Row(member, known) if known and missing <= 0 else self.measure_more(member, missing)
        self._watcher.done(row, how if missing > 0 else "by an earlier run")
        return row

    def measure_more(self, member: Member, turns: int) -> Row:
        """Time it again; raises as :meth:`measure`."""
        session, manifest = self._session(member)
        self._watcher.phase(member, "timing" if self._meter.repeats else "estimating")
        timed = session.time(turns)
        result = Result(
            self._key(member),
            timed.turns_ms,
            timed.bounds_ms,
            file_bytes=manifest["file_bytes"],
            memory_bytes=manifest["weight_bytes"] + manifest["arena_bytes"] + self._threads * manifest["scratch_bytes"],
            mult_adds=manifest["mult_adds"],
            parameters=sum(layer["parameters"] for layer in manifest["kernels"]),
        )
        return Row(member, self._results.append(result))

    @property
    def repeats(self) -> bool:
        """Whether further turns tell more."""
        return self._meter.repeats

    def _key(self, member: Member) -> Key:
        return Key(member.key, self._row_key, self._threads, compiler_version(), self._meter.device)

    def _session(self, member: Member) -> tuple[Session, Mapping[str, Any]]:
        if member.key not in self._open:
            self._watcher.phase(member, "writing")
            folder = self._folder / str(len(self._open))
            folder.mkdir()
            model = folder / "model.onnx"
            member.write(model)
            self._watcher.phase(member, "compiling")
            built = build_model(CompileOptions(model, self._target, threads=self._threads), Phases())
            name = c_identifier(Path(member.key).name)
            manifest = emit_model([built], name, self._target, self._threads, folder, Phases())
            session = self._meter.open(Prepared(model, built, folder / f"{name}.so", folder))
            self._open[member.key] = session, manifest
        return self._open[member.key]


def measure_family(members: Sequence[Member], budget: Budget, bench: Bench) -> list[Row]:
    """Every member's latency and sizes.

    Each is timed twice, when it is compiled and when all are: a slow moment of the machine shall not decide. Those that
    may be the choice are then timed until the budget is clearly above or below them.

    Raises:
        CompileError: a member cannot be compiled or does not run; what was measured by then is in the results file.
    """
    rows = [bench.measure(member, _FIRST_TURNS, "first turns") for member in members]
    if not bench.repeats:
        return rows
    rows = [bench.measure(member, _ALL_TURNS, "all turns") for member in members]
    while doubtful := [index for index, row in enumerate(rows) if is_doubtful(row, rows, budget)]:
        for index in doubtful:
            rows[index] = bench.measure_more(rows[index].member, _MORE_TURNS)
    return rows


def is_doubtful(row: Row, rows: Sequence[Row], budget: Budget) -> bool:
    """Whether more turns of this network may change the choice."""
    limit = budget.latency_ms
    if limit is None or row.member.accuracy is None or len(row.result.turns_ms) >= _MOST_TURNS:
        return False
    # Few turns may all fall into slow moments but one: then each counts, later their median's interval.
    low, high = min(row.result.turns_ms), max(row.result.turns_ms)
    if len(row.result.turns_ms) > _ALL_TURNS:
        low, high = row.latency.low, row.latency.high
    near = low <= (1 + _DOUBT) * limit and high >= (1 - _DOUBT) * limit
    others = Budget(None, budget.memory_bytes, budget.file_bytes)
    return near and row.fits(others) and not any(_surely_better(other, row, budget) for other in rows)


def _surely_better(other: Row, row: Row, budget: Budget) -> bool:
    """Whether ``other`` fits beyond doubt and is more accurate."""
    assert budget.latency_ms is not None
    assert row.member.accuracy is not None
    accuracy = other.member.accuracy
    better = accuracy is not None and accuracy.value > row.member.accuracy.value
    return better and other.fits(budget) and other.latency.high < (1 - _DOUBT) * budget.latency_ms


def choose(rows: Sequence[Row], budget: Budget) -> Row:
    """The most accurate network within the budget; of equally accurate ones the fastest.

    Raises:
        FamilyError: no network with a known accuracy fits.
    """
    fitting = [row for row in rows if row.fits(budget) and row.member.accuracy is not None]
    if not fitting:
        fastest = min(rows, key=lambda row: row.latency.median)
        raise FamilyError(
            f"no network of the family is within the budget; the fastest, {fastest.member.title}, takes "
            f"{fastest.latency.median:.3g} ms, {fastest.result.memory_bytes / 1e6:.1f} MB of memory and a file of "
            f"{fastest.result.file_bytes / 1e6:.1f} MB"
        )
    return max(fitting, key=_rank)


def pareto_front(rows: Sequence[Row]) -> list[Row]:
    """Networks that no other one is as fast and as accurate as, the fastest first."""
    front: list[Row] = []
    known = (row for row in rows if row.member.accuracy is not None)
    for row in sorted(known, key=lambda row: (row.latency.median, -_rank(row)[0])):
        if not front or _rank(row)[0] > _rank(front[-1])[0]:
            front.append(row)
    return front


def _rank(row: Row) -> tuple[float, float]:
    assert row.member.accuracy is not None
    return row.member.accuracy.value, -row.latency.median
