"""Records -> the tiles that a network is compiled with: an exact record, else that of a similar workload, else none.

Nothing a file says is trusted: a recorded tile counts only if it is one of the workload's own space on this row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import separable.schedules
from separable.compiler.errors import CompileError
from separable.compiler.program import Program
from separable.compiler.tuning.records import Record, best_records, load_all, row_key
from separable.schedules.registry import kind
from separable.schedules.space import Tile, fitted, has_space, parameters, space
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Workload
from separable.targets.row import Target

RECORD, NEAREST = "record", "nearest"

_FARTHEST = 2.0
"""Records beyond a factor of four in all dimensions together say nothing about a workload."""
_SHIPPED = Path(separable.schedules.__file__).parent / "records"


class MissingRecords(CompileError):
    """``--require-records``, and some kernels have none; lists every one."""


@dataclass(frozen=True)
class Chosen:
    """A tile from a record.

    Attributes:
        tile: of the workload's space.
        source: ``record`` if it was measured for this workload, ``nearest`` if for a similar one.
        origin: that similar workload; None for an exact record.
    """

    tile: Tile
    source: str
    origin: Workload | None = None


class RecordedTiles:
    """The tiles of some records files for one row and number of threads."""

    def __init__(
        self, paths: Sequence[Path], target: Target, threads: int = 1, siblings: Sequence[Target] = ()
    ) -> None:
        """Read files, the later ones outweighing earlier ones, and the records that ship with the package.

        ``siblings`` are the rows that go into the same library: records for them are not foreign.

        Raises:
            InvalidRecord, TuningError: a file is malformed or cannot be read.
        """
        self._target = target
        self._near: dict[str, None] = {}
        shipped, given = load_all(shipped_records(target)), load_all(paths)
        everything = best_records([*shipped.records, *given.records])
        self._best = _for_threads(everything.values(), row_key(target), threads)
        # The shipped ones only for the very workloads they were measured on: nobody asked for more.
        self._similar = _for_threads(best_records(given.records).values(), row_key(target), threads)
        self._notes = [*shipped.notes, *given.notes]
        known = {row_key(row) for row in (target, *siblings)}
        if foreign := sum(record.target not in known for record in given.records):
            ours = ", ".join(sorted(known))
            self._notes.append(f"{foreign} records are for other targets than {ours}; they are not used")

    @property
    def notes(self) -> list[str]:
        """What the user should know about the files, and about the tiles given out so far."""
        if not self._near:
            return self._notes
        count = f"{len(self._near)} kernel{'s have' if len(self._near) > 1 else ' has'}"
        return [*self._notes, f"{count} no record and the tile of a similar one: {'; '.join(self._near)}"]

    def choose(self, w: Workload) -> Chosen | None:
        """The tile for a workload; None if the records say nothing about it."""
        if not has_space(w) or not self._best:
            return None
        exact = self._best.get(w)
        known = space(w, self._target).tile(parameters(exact.tile)) if exact is not None else None
        if known is not None:
            return Chosen(known, RECORD)
        near = nearest(w, self._similar.values())
        # Where the default was the best, it is so for this one, too, as computed for its own dimensions.
        if near is None or parameters(near.tile) == parameters(space(near.workload, self._target).default):
            return None
        tile = fitted(w, near.tile, self._target)
        return None if tile is None else Chosen(tile, NEAREST, near.workload)

    def tile(self, w: Workload) -> tuple[Tile, str] | None:
        """The same as a tile and where it comes from; what comes from a similar workload is noted."""
        chosen = self.choose(w)
        if chosen is None:
            return None
        if chosen.origin is not None:
            self._near[f"{describe(w)} (of {describe(chosen.origin)})"] = None
        return chosen.tile, chosen.source


def shipped_records(target: Target) -> list[Path]:
    """The records that come with the package for a row: one file, or none."""
    path = _SHIPPED / f"{row_key(target).replace(':', '-')}.json"
    return [path] if path.is_file() else []


def require_records(records: RecordedTiles, program: Program) -> None:
    """Check that every kernel that can be tuned has an exact record.

    Raises:
        MissingRecords: names the nodes whose kernels have none.
    """
    missing: dict[str, None] = {}
    for step in program.steps:
        chosen = records.choose(step.workload)
        if has_space(step.workload) and (chosen is None or chosen.source != RECORD):
            missing[f"  - {'+'.join(step.nodes)}: {describe(step.workload)}"] = None
    if missing:
        head = f"{len(missing)} layers have no record for this target; tune the model, or drop --require-records:"
        raise MissingRecords("\n".join([head, *missing]))


def nearest(w: Workload, records: Iterable[Record]) -> Record | None:
    """The record of the most similar workload, None if there is none within reach."""
    near = [(distance(w, record.workload), record) for record in records]
    within = [(far, record) for far, record in near if far <= _FARTHEST]
    return min(within, key=lambda pair: pair[0])[1] if within else None


def distance(a: Workload, b: Workload) -> float:
    """How unlike two workloads are: factors of two between their dimensions; infinite if they are of another kind."""
    if type(a) is not type(b) or _kind(a) != _kind(b):
        return math.inf
    pairs = zip(_extents(a), _extents(b), strict=True)
    return sum(abs(math.log2(x / y)) for x, y in pairs)


def describe(w: Workload) -> str:
    """A workload in a few words: ``pointwise 512 -> 512 at 14x14``."""
    assert isinstance(w, Conv | Depthwise | DepthwisePointwise | Dense)
    if isinstance(w, Dense):
        return f"dense {w.x.shape[-1]} -> {w.y.shape[-1]}, {math.prod(w.x.shape[:-1])} rows"
    channels = w.in_channels if isinstance(w, Conv) else w.x.channels
    size = "x".join(map(str, w.window.size))
    stride = f" stride {w.window.stride[0]}" if w.window.stride != (1, 1) else ""
    return f"{kind(w)} {size} {channels} -> {w.y.channels} at {w.y.height}x{w.y.width}{stride}"


def _for_threads(records: Iterable[Record], target: str, threads: int) -> dict[Workload, Record]:
    """One record for each workload: that for the number of threads, or for the nearest one."""
    chosen: dict[Workload, Record] = {}
    for record in records:
        if record.target != target:
            continue
        known = chosen.get(record.workload)
        if known is None or abs(record.threads - threads) < abs(known.threads - threads):
            chosen[record.workload] = record
    return chosen


def _kind(w: Workload) -> object:
    """What two workloads must have in common for a tile of one to say anything about the other."""
    if isinstance(w, Dense):
        return Dense
    assert isinstance(w, Conv | Depthwise | DepthwisePointwise)
    groups = w.groups if isinstance(w, Conv) else 1
    return w.window.size, w.window.stride, w.window.dilation, groups, type(w.x), w.y.lanes, w.y.dtype


def _extents(w: Workload) -> tuple[int, ...]:
    if isinstance(w, Dense):
        return math.prod(w.x.shape[:-1]), w.x.shape[-1], w.y.shape[-1]
    assert isinstance(w, Conv | Depthwise | DepthwisePointwise)
    assert isinstance(w.y, Blocked)
    channels = w.in_channels if isinstance(w, Conv) else w.x.channels
    return channels, w.y.channels, w.y.height, w.y.width
