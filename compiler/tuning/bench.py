"""Trials, from tile to record: built, run and checked one after the other, the next built while one runs.

What was measured already, now or by an earlier run on the same file, is not measured again. A record is on the disk
before anybody learns of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Lock, Semaphore
from typing import Protocol

import separable
from separable.compiler._tvm import tvm
from separable.compiler.tuning.candidate import CandidateBuilder, CandidateFailed, Timing, read_timing
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.errors import DeviceLost
from separable.compiler.tuning.records import KERNEL, NETWORK, Record, RecordsFile, now, row_key
from separable.compiler.tuning.tasks import Task
from separable.schedules.space import Tile

_POLL_S = 0.1
_LAST_TRIAL_S = 2.0


class Devices(Protocol):
    """What runs candidates: a ``Fleet``."""

    def submit(self, candidate: Candidate) -> Future[Finished]:
        """Queue a candidate; the future's exception is ``DeviceLost`` if it took several devices with it."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a trial: a record, or why there is none."""

    task: Task
    tile: Tile
    record: Record | None
    failure: str = ""

    @property
    def seconds(self) -> float | None:
        """The time of one call; None if the trial failed."""
        return self.record.nanoseconds / 1e9 if self.record else None


class Bench:
    """Measures tiles.

    Attributes:
        error: what ended the measuring for good: no device, or a full disk under the records.
        begun: how many trials were asked for; what earlier runs measured does not count.
        trials: how many of them have ended by themselves, measured or failed; what was abandoned does not count.
    """

    def __init__(
        self,
        builder: CandidateBuilder,
        devices: Devices,
        records: RecordsFile,
        observe: Callable[[Outcome], None],
        *,
        places: int,
    ) -> None:
        """Prepare.

        Args:
            builder: makes candidates.
            devices: run them.
            records: where measurements go; it knows those of earlier runs.
            observe: told every new outcome, from any thread.
            places: how many trials may be built or run at a time; with 1, nothing is built while a candidate runs.
        """
        self.error: BaseException | None = None
        self.begun = 0
        self.trials = 0
        self._builder = builder
        self._devices = devices
        self._records = records
        self._observe = observe
        self._stopped = Event()
        self._lock = Lock()
        self._row = row_key(builder.target)
        self._build_threads = ThreadPoolExecutor(1 + (places > 4), "build")
        self._slots: dict[tuple[str, Tile], Future[Outcome]] = {}
        self._places = Semaphore(places)

    def known(self, tasks: list[Task]) -> list[Outcome]:
        """What earlier runs measured of these tasks; such trials end at once."""
        by_workload = {task.workload: task for task in tasks}
        best: dict[tuple[str, Tile], Outcome] = {}
        for record in self._records.earlier.records:
            task = by_workload.get(record.workload)
            same = record.stage == KERNEL and (record.target, record.threads) == (self._row, self._builder.threads)
            if task is None or not same or record.tile not in task.space.tiles:
                continue
            other = best.get((task.name, record.tile))
            if other is None or other.record is None or record.nanoseconds < other.record.nanoseconds:
                best[task.name, record.tile] = Outcome(task, record.tile, record)
        for key, outcome in best.items():
            future: Future[Outcome] = Future()
            self._slots[key] = future
            future.set_result(outcome)
        return list(best.values())

    def has_choice(self, task: Task) -> bool:
        """Whether an earlier run recorded what the tuning of a whole network chose for this task."""
        return any(
            record.stage == NETWORK
            and record.workload == task.workload
            and (record.target, record.threads) == (self._row, self._builder.threads)
            for record in self._records.earlier.records
        )

    def submit(self, task: Task, tile: Tile) -> Future[Outcome]:
        """Measure a tile; the future never raises."""
        key = (task.name, tile)
        with self._lock:
            if key in self._slots:
                return self._slots[key]
            future: Future[Outcome] = Future()
            self._slots[key] = future
            self.begun += 1
        self._build_threads.submit(self._build, task, tile, future)
        return future

    def measure_again(self, entrants: Mapping[Task, Sequence[Tile]], rounds: int) -> dict[str, dict[Tile, float]]:
        """Measure a few tiles of each task anew, in turns, so that a noisy moment of the device meets all alike.

        Args:
            entrants: the tiles of each task.
            rounds: how often each is measured.

        Returns:
            Nanoseconds by task name and tile: the least of the new measurements; a tile that failed is left out.

        Raises:
            RecordsUnwritable: the disk is full.
            TuningError: no device is left.
        """
        times: dict[str, dict[Tile, float]] = {}
        for task, tiles in entrants.items():
            least = times[task.name] = {}
            candidates = {}
            for tile in tiles:
                with contextlib.suppress(CandidateFailed):
                    candidates[tile] = self._builder.build(task.workload, tile)
            for tile, candidate in list(candidates.items()) * rounds:
                with contextlib.suppress(CandidateFailed, DeviceLost):
                    finished = self._devices.submit(candidate).result()
                    record = self._record(task, tile, read_timing(finished), finished.device)
                    least[tile] = min(record.nanoseconds, least.get(tile, record.nanoseconds))
            for candidate in candidates.values():
                candidate.program.unlink(missing_ok=True)
        return times

    def record_network(self, task: Task, tile: Tile, samples_ns: tuple[float, ...], device: str) -> None:
        """Record the choice of a whole network's tuning, which outweighs all kernels measured alone.

        Raises:
            RecordsUnwritable: as :meth:`RecordsFile.append`.
        """
        self._records.append(self._make_record(task, tile, NETWORK, samples_ns, device, None))

    @property
    def pending(self) -> list[Future[Outcome]]:
        """The trials under way."""
        with self._lock:
            return [future for future in self._slots.values() if not future.done()]

    @property
    def stopped(self) -> bool:
        """Whether trials end without being measured."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Let all trials end; the one that runs right now still finishes."""
        self._stopped.set()

    def close(self) -> None:
        """Stop, and give the trials under way a moment to end."""
        self.stop()
        self._build_threads.shutdown()
        wait(list(self._slots.values()), timeout=_LAST_TRIAL_S)

    def _build(self, task: Task, tile: Tile, future: Future[Outcome]) -> None:
        while not self._places.acquire(timeout=_POLL_S):
            if self.stopped:
                break
        try:
            if self.stopped:
                raise CandidateFailed("the search has ended")
            candidate = self._builder.build(task.workload, tile)
            running = self._devices.submit(candidate)
        except CandidateFailed as error:
            self._leave(future, Outcome(task, tile, None, str(error)))
        except BaseException as error:
            self._give_up(error)
            self._leave(future, Outcome(task, tile, None, str(error)))
        else:
            running.add_done_callback(lambda done: self._finish(task, tile, candidate, done, future))

    def _finish(
        self, task: Task, tile: Tile, candidate: Candidate, done: Future[Finished], future: Future[Outcome]
    ) -> None:
        """Check and record what a device has sent, or found out by failing."""
        outcome = Outcome(task, tile, None, "the search has ended")
        try:
            candidate.program.unlink(missing_ok=True)
            if not done.cancelled():
                finished = done.result()
                outcome = Outcome(task, tile, self._record(task, tile, read_timing(finished), finished.device))
        except (CandidateFailed, DeviceLost) as error:
            outcome = Outcome(task, tile, None, str(error))
        except BaseException as error:
            self._give_up(error)
            outcome = Outcome(task, tile, None, str(error))
        self._leave(future, outcome)

    def _leave(self, future: Future[Outcome], outcome: Outcome) -> None:
        self._places.release()
        try:
            if not self.stopped or outcome.record is not None:
                with self._lock:
                    self.trials += 1
                self._observe(outcome)
        finally:
            future.set_result(outcome)

    def _give_up(self, error: BaseException) -> None:
        with self._lock:
            self.error = self.error or error
        self.stop()

    def _record(self, task: Task, tile: Tile, timing: Timing, device: str) -> Record:
        record = self._make_record(task, tile, KERNEL, timing.samples_ns, device, timing.frequency_khz)
        with self._lock:
            self._records.append(record)
        return record

    def _make_record(
        self,
        task: Task,
        tile: Tile,
        stage: str,
        samples_ns: tuple[float, ...],
        device: str,
        frequency_khz: tuple[int, int] | None,
    ) -> Record:
        return Record(
            workload=task.workload,
            target=self._row,
            threads=self._builder.threads,
            tile=tile,
            stage=stage,
            samples_ns=samples_ns,
            device=device,
            frequency_khz=frequency_khz,
            versions=_versions(),
            date=now(),
        )


def _versions() -> Mapping[str, str]:
    return {"separable": separable.__version__, "tvm": tvm.__version__}
