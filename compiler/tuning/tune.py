"""``tune``: a model's tasks, the search, the whole network's verdict; everything found lies in the records file."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Built, Phases, build_model, resolve_target
from separable.compiler.tuning.bench import Bench, Outcome
from separable.compiler.tuning.candidate import CandidateBuilder, CandidateFailed, Effort
from separable.compiler.tuning.device import Device
from separable.compiler.tuning.errors import TuningError
from separable.compiler.tuning.fleet import DeviceSource, FixedSource, Fleet
from separable.compiler.tuning.local import LocalDevice, missing_features, share_cpus
from separable.compiler.tuning.network import NetworkBench, Verdict
from separable.compiler.tuning.records import Record, RecordsFile
from separable.compiler.tuning.search import Limits, search
from separable.compiler.tuning.tasks import Task, tasks_of, weight_bytes
from separable.compiler.verify import runs_here
from separable.schedules.space import Tile
from separable.targets.row import Target

_WON_ALONE = 0.99
"""A tile goes into the network if it takes less than this part of the default's time alone; closer times are noise."""
_FINALISTS, _FINAL_ROUNDS = 3, 3
_NETWORK_SHARE, _NETWORK_S = 0.35, 120.0
"""The finals and the network's measurement get this part of the budget, but no more than these seconds."""
_LOCAL_PLACES, _REMOTE_PLACES = 3, 6


@dataclass(frozen=True)
class TuneOptions:
    """Options of one tuning.

    Attributes:
        model: the ONNX file.
        records: the file that measurements are appended to; what it holds already is not measured again.
        target: as for ``compile``.
        shapes: as for ``compile``.
        tracker: address of a tracker; None tunes on this machine.
        key: under which the devices are registered there.
        budget_s: seconds that the tuning takes, all in all.
        trials: after how many tiles the search ends, though never before all defaults; default: when the budget does.
        threads: that the network will run with.
        seed: of the random choices.
        effort: how thoroughly each tile is timed.
        rounds: how many turns tuned and default network take.
    """

    model: Path
    records: Path
    target: str = "native"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tracker: str | None = None
    key: str | None = None
    budget_s: float | None = None
    trials: int | None = None
    threads: int = 1
    seed: int = 0
    effort: Effort = field(default_factory=Effort)
    rounds: int = 12


class Watcher(Protocol):
    """Told what goes on, from any thread."""

    def begin(self, tasks: Sequence[Task], options: TuneOptions, known: Sequence[Outcome]) -> None:
        """The search begins; ``known`` is what earlier runs measured."""

    def observe(self, outcome: Outcome) -> None:
        """A trial ended."""

    def note(self, text: str) -> None:
        """Something the user should know."""


@dataclass(frozen=True)
class Tuned:
    """What a tuning found.

    Attributes:
        tasks: what was tuned.
        trials: how many tiles were tried to the end in this run, those that failed included.
        default_ns: the default tile's time alone, by task name.
        best: the fastest tile alone and its time, by task name.
        verdict: what stayed in the network; None if it was not measured.
        seconds: that it took.
    """

    tasks: Sequence[Task]
    trials: int
    default_ns: Mapping[str, float]
    best: Mapping[str, tuple[Tile, float]]
    verdict: Verdict | None
    seconds: float


def tune_model(options: TuneOptions, watcher: Watcher, source: DeviceSource | None = None) -> Tuned:
    """Search for faster tiles, and write what is found to the records.

    Args:
        options: what to tune, where and how long.
        watcher: told what goes on.
        source: devices to use instead of those that the options name.

    Raises:
        CompileError: the model cannot be compiled.
        TuningError: no device, no default tile that runs on it, a records file that is malformed, locked or on a full
            disk; what was found by then is in the file.
        KeyboardInterrupt: likewise.
    """
    start = time.monotonic()
    logging.getLogger("tvm").setLevel(logging.ERROR)  # MetaSchedule tells tables of its own tasks
    target = resolve_target(options.target)
    built = build_model(CompileOptions(options.model, options.target, shapes=options.shapes), Phases())
    deadline = start + (options.budget_s or math.inf)
    tasks = tasks_of(built)
    if not tasks:
        raise TuningError(f"{options.model} has no kernel that can be tuned")
    local = source is None and options.tracker is None
    if local:
        _check_runs_here(target)
    cpus, overlap = share_cpus(options.threads) if local else ("", True)
    found = _Findings(watcher)
    with (
        tempfile.TemporaryDirectory(prefix="separable-tune-") as temporary,
        RecordsFile(options.records) as records,
        _fleet(options, source, watcher, deadline) as fleet,
        _logged(options.records),
    ):
        for note in records.earlier.notes:
            watcher.note(note)
        builder = CandidateBuilder(
            target,
            Path(temporary),
            threads=options.threads,
            rotate_bytes=weight_bytes(built.program),
            cpus=cpus,
            effort=options.effort,
        )
        places = (_LOCAL_PLACES if overlap else 1) if local else _REMOTE_PLACES
        bench = Bench(builder, fleet, records, found.observe, places=places)
        try:
            known = bench.known(tasks)
            for outcome in known:
                found.take(outcome)
            watcher.begin(tasks, options, known)
            search(tasks, bench, _limits(options, start), options.seed)
            verdict = None
            if bench.error is None:
                verdict = _judge(
                    options, built, tasks, found, fleet, bench, Path(temporary), cpus, watcher, deadline=deadline
                )
        finally:
            bench.close()
        if bench.error is not None:
            raise bench.error
    seconds = time.monotonic() - start
    return Tuned(tasks, bench.trials, found.default_ns, found.best, verdict, seconds)


def _check_runs_here(target: Target) -> None:
    """Raise a TuningError, before any work, if this machine is no device for a target."""
    if not runs_here(target.arch):
        what = f"programs for {target.name} ({target.arch})"
    elif missing := missing_features(target, LocalDevice()):
        what = f"programs for {target.name}, as its CPU lacks {missing}"
    else:
        return
    raise TuningError(f"this machine cannot run {what}; name the device with --tracker HOST:PORT --key KEY")


class _Findings:
    """The default's time and the best tile of each task so far.

    Attributes:
        default_records: the measurement of each task's default.
        failure: why the first trial failed that did; empty if none did.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.default_records: dict[Task, Record] = {}
        self.failure = ""
        self.times: dict[Task, dict[Tile, float]] = {}
        self.default_ns: dict[str, float] = {}
        self.best: dict[str, tuple[Tile, float]] = {}

    def observe(self, outcome: Outcome) -> None:
        """Take a new outcome and pass it on."""
        self.take(outcome)
        task = outcome.task
        if outcome.record is None:
            _LOG.info("%s %s failed: %s", task.name, outcome.tile, outcome.failure)
        else:
            _LOG.info("%s %s %.0f ns on %s", task.name, outcome.tile, outcome.record.nanoseconds, outcome.record.device)
        self.watcher.observe(outcome)

    def take(self, outcome: Outcome) -> None:
        """Compare an outcome with the best of its task."""
        if outcome.record is None:
            self.failure = self.failure or outcome.failure
            return
        name, nanoseconds = outcome.task.name, outcome.record.nanoseconds
        times = self.times.setdefault(outcome.task, {})
        times[outcome.tile] = min(nanoseconds, times.get(outcome.tile, nanoseconds))
        if outcome.tile == outcome.task.space.default:
            self.default_ns[name] = nanoseconds
            self.default_records[outcome.task] = outcome.record
        if name not in self.best or nanoseconds < self.best[name][1]:
            self.best[name] = outcome.tile, nanoseconds

    def entrants(self) -> dict[Task, list[Tile]]:
        """For the finals: the default and the fastest few tiles of each task where one beat the default."""
        chosen = {}
        for task, times in self.times.items():
            ranked = sorted(times, key=times.__getitem__)
            default = task.space.default
            if default in times and times[ranked[0]] < _WON_ALONE * times[default]:
                chosen[task] = [default, *(tile for tile in ranked if tile != default)][: 1 + _FINALISTS]
        return chosen


def _judge(
    options: TuneOptions,
    built: Built,
    tasks: Sequence[Task],
    found: _Findings,
    fleet: Fleet,
    bench: Bench,
    folder: Path,
    cpus: str,
    watcher: Watcher,
    *,
    deadline: float,
) -> Verdict | None:
    """Measure the network and record its choice; None if it cannot be measured.

    Raises:
        TuningError: nothing is known of any default tile, so that nothing can be said.
    """
    if not found.default_records:
        raise TuningError(f"no default tile was measured: {found.failure or 'no device answered in this time'}")
    winners = _hold_finals(found, bench, watcher)
    if not winners:
        watcher.note("no tile that was measured beats its default alone: the network stays as it is")
        for task, record in found.default_records.items():
            if not bench.has_choice(task):
                bench.record_network(task, record.tile, record.samples_ns, record.device)
        return Verdict({}, [], None)
    try:
        network = NetworkBench(
            built, fleet, folder, model=options.model, threads=options.threads, cpus=cpus, rounds=options.rounds
        )
        verdict = network.decide(winners, watcher.note, deadline)
    except CandidateFailed as error:
        watcher.note(f"{error}; the kernels' own records stand")
        return None
    if verdict.duel is None:
        return verdict
    device = verdict.duel.tuned[0].device
    # All of them, the defaults too: an earlier run's choices were measured in another network than this one.
    for task in tasks:
        if not verdict.tiles and bench.has_choice(task):
            continue  # what an earlier run proved stands until something else is proved
        kept = task.name in verdict.tiles
        tile = verdict.tiles[task.name] if kept else task.space.default
        turns = verdict.duel.tuned if kept else verdict.duel.default
        samples = tuple(max(1.0, min(turn.kernels[task.name]) / task.calls) for turn in turns)
        bench.record_network(task, tile, samples, device)
    return verdict


def _hold_finals(found: _Findings, bench: Bench, watcher: Watcher) -> dict[str, Tile]:
    """The tiles that beat the default alone also when both are measured anew; the lowest of many times owes to luck."""
    entrants = found.entrants()
    if not entrants:
        return {}
    watcher.note(f"finals: the fastest tiles of {len(entrants)} workloads and their defaults, measured anew")
    winners = {}
    for task, times in zip(entrants, bench.measure_again(entrants, _FINAL_ROUNDS).values(), strict=True):
        if not times:
            continue
        tile = min(times, key=times.__getitem__)
        default_ns = times.get(task.space.default, found.default_ns[task.name])
        found.default_ns[task.name] = default_ns
        found.best[task.name] = tile, times[tile]
        if times[tile] < _WON_ALONE * default_ns:
            winners[task.name] = tile
    return winners


def _limits(options: TuneOptions, start: float) -> Limits:
    """The search's part of the budget."""
    if options.budget_s is None:
        return Limits(options.trials)
    reserved = min(_NETWORK_SHARE * options.budget_s, _NETWORK_S)
    return Limits(options.trials, start + options.budget_s - reserved)


@contextlib.contextmanager
def _fleet(options: TuneOptions, source: DeviceSource | None, watcher: Watcher, deadline: float) -> Iterator[Fleet]:
    devices: list[Device] = []
    if source is None and options.tracker is not None:
        from separable.compiler.tuning.remote import TrackerSource
        from separable.compiler.tuning.sockets import parse_address

        source = TrackerSource(parse_address(options.tracker), options.key or "")
    elif source is None:
        devices.append(LocalDevice())
        source = FixedSource(devices)
    with Fleet(source, notify=watcher.note, deadline=deadline) as fleet:
        yield fleet


_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def _logged(records: Path) -> Iterator[None]:
    """Every trial as a line of the file ``RECORDS.json.log``."""
    handler = logging.FileHandler(records.with_name(f"{records.name}.log"), delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    try:
        _LOG.info("tuning begins, process %d", os.getpid())
        yield
    finally:
        _LOG.removeHandler(handler)
        handler.close()
