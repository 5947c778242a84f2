"""A bench whose candidates are never compiled: a function tells how long each tile takes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from separable.compiler.tuning.bench import Bench, Outcome
from separable.compiler.tuning.candidate import CandidateFailed
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.records import RecordsFile
from separable.compiler.tuning.tasks import Task
from separable.schedules.space import Tile, space
from separable.schedules.workload import Workload
from tests.compiler.tuning.samples import TARGET, finished, pointwise

Cost = Callable[[Workload, Tile], "float | Finished | Exception"]


def make_task(name: str = "pointwise_0", w: Workload | None = None, calls: int = 1) -> Task:
    w = w or pointwise()
    return Task(name, w, space(w, TARGET), calls, w.macs)


class FakeBuilder:
    """Takes the place of ``CandidateBuilder``."""

    target = TARGET
    threads = 1

    def __init__(self, cost: Cost, folder: Path) -> None:
        self.cost = cost
        self.folder = folder
        self.built: list[tuple[Workload, Tile]] = []
        self.results: dict[Path, float | Finished | Exception] = {}
        self.threads_used: set[str] = set()

    def build(self, w: Workload, tile: Tile) -> Candidate:
        self.built.append((w, tile))
        self.threads_used.add(threading.current_thread().name)
        result = self.cost(w, tile)
        if isinstance(result, CandidateFailed):
            raise result
        program = self.folder / f"program_{len(self.built)}"
        self.results[program] = result
        return Candidate(program, {})


class FakeDevices:
    """Takes the place of ``Fleet``."""

    def __init__(self, builder: FakeBuilder) -> None:
        self.builder = builder

    def submit(self, candidate: Candidate) -> Future[Finished]:
        future: Future[Finished] = Future()
        result = self.builder.results[candidate.program]
        if isinstance(result, Exception):
            future.set_exception(result)
        elif isinstance(result, Finished):
            future.set_result(result)
        else:
            report = {"samples_ns": [result, 1.1 * result], "max_error": 1e-7, "frequency_khz": None, "cpu": 0}
            future.set_result(finished(json.dumps(report)))
        return future


class FakeBench(Bench):
    """A bench on fakes.

    Attributes:
        outcomes: what was observed, in order.
        fake: the builder.
    """

    def __init__(self, cost: Cost, records: RecordsFile, folder: Path) -> None:
        self.outcomes: list[Outcome] = []
        self.fake = FakeBuilder(cost, folder)
        super().__init__(self.fake, FakeDevices(self.fake), records, self.outcomes.append, places=3)  # type: ignore[arg-type]
