"""TVM's MetaSchedule chooses which tiles are measured: its task scheduler, evolutionary search and database.

MetaSchedule varies the traces of schedules, but a tile of ours decides what is computed, too (the shape of the packed
weights). So it works on a stand-in for each task: a module of one block whose schedule samples a number for each axis
of the space and writes them down as annotations. From these the builder reads the tile, a postprocessor refuses
combinations that are none, a mutator varies one axis, and the cost model guesses times from tile and workload.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import numpy as np
from tvm.ir.utils import derived_object

from separable.compiler._tvm import tvm
from separable.compiler.tuning.bench import Bench, Outcome
from separable.compiler.tuning.model import TileModel
from separable.compiler.tuning.tasks import Task
from separable.schedules.space import Space, Tile, parameters

_TENSOR_INTRIN = "tvm.s_tir.tensor_intrin"


@contextmanager
def _tensor_intrinsics_hidden() -> Iterator[None]:
    """Their import takes half a minute and registers what only MetaSchedule's own rules use."""
    if _TENSOR_INTRIN in sys.modules:
        yield
        return
    sys.modules[_TENSOR_INTRIN] = types.ModuleType(_TENSOR_INTRIN)
    try:
        yield
    finally:
        del sys.modules[_TENSOR_INTRIN]


with _tensor_intrinsics_hidden():
    from tvm.s_tir import Schedule
    from tvm.s_tir import meta_schedule as ms

_BATCH = 8
"""Trials of a task between two looks at all tasks; all devices have work meanwhile."""
_POPULATION, _GENERATIONS = 96, 3
_PREFIX = "separable."
_POLL_S = 0.05
_UNLIMITED = 1_000_000
_LAST_STEP_S = 10.0
"""MetaSchedule ends at the next look at the bench, a part of a second later; this is for a machine that is busy."""


@dataclass(frozen=True)
class Limits:
    """When a search ends: after so many trials, or at this time of ``time.monotonic``; whichever comes first."""

    trials: int | None = None
    deadline: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def search(tasks: Sequence[Task], bench: Bench, limits: Limits, seed: int = 0) -> None:
    """Measure tiles until a limit is reached, every tile is measured, or the bench stops.

    The default tiles come first. What is found is in the records of the bench.

    Args:
        tasks: with their spaces.
        bench: measures; it knows what earlier runs measured.
        limits: when to end.
        seed: of the random choices.
    """
    model = TileModel()
    known = bench.known(list(tasks))
    defaults = [bench.submit(task, task.space.default) for task in tasks]
    first = [_wait(future, bench, limits) for future in defaults]
    outcomes = {(one.task.name, one.tile): one for one in [*known, *first] if one is not None}
    if _ended(bench, limits):
        return
    with tempfile.TemporaryDirectory(prefix="separable-search-") as folder:
        scheduler = _MetaSchedule(tasks, bench, limits, model, folder, seed)
        for outcome in outcomes.values():
            scheduler.remember(outcome)
        scheduler.run()
    for future in bench.pending:
        _wait(future, bench, limits)


def _ended(bench: Bench, limits: Limits) -> bool:
    """Whether nothing more is to be measured. Trials that an earlier run made are not counted."""
    return bench.stopped or limits.passed or (limits.trials is not None and bench.begun >= limits.trials)


def _wait(future: Future[Outcome], bench: Bench, limits: Limits) -> Outcome | None:
    """The outcome; None if the time is over before."""
    while not future.done():
        if bench.stopped or limits.passed:
            return None
        time.sleep(_POLL_S / 10)
    return future.result()


class _Ended(Exception):
    """Leaves MetaSchedule's loop."""


class _MetaSchedule:
    """The pieces that MetaSchedule is given, and the thread it runs in."""

    def __init__(
        self, tasks: Sequence[Task], bench: Bench, limits: Limits, model: TileModel, folder: str, seed: int
    ) -> None:
        self.tasks = list(tasks)
        self.bench = bench
        self.limits = limits
        self.model = model
        self.names = {task.name: task for task in tasks}
        self.modules = {task.name: _stand_in(number) for number, task in enumerate(tasks)}
        self.target = tvm.target.Target({"kind": "llvm", "num-cores": 1})
        self.database = ms.database.JSONDatabase(work_dir=folder)
        self.folder = folder
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self.failure: BaseException | None = None
        self.trials: dict[str, tuple[Task, Tile]] = {}
        self.left = Event()

    def remember(self, outcome: Outcome) -> None:
        """Put a measurement into the database and the model, as if it were of this search."""
        if outcome.seconds is None:
            return
        self.model.learn(outcome.task, outcome.tile, outcome.seconds)
        schedule = Schedule(self.modules[outcome.task.name])
        _sample(schedule, outcome.task.space, outcome.tile)
        workload = self.database.commit_workload(self.modules[outcome.task.name])
        arguments = ms.arg_info.ArgInfo.from_entry_func(workload.mod)
        record = ms.database.TuningRecord(schedule.trace, workload, [outcome.seconds], self.target, arguments)
        self.database.commit_tuning_record(record)

    def run(self) -> None:
        """Search in a thread of its own, so that an interrupt reaches the caller at once."""
        Thread(target=self._tune, name="search", daemon=True).start()
        try:
            # Not Thread.join: interrupted in it, Python 3.11 takes the thread for ended, and would end under its feet.
            # In short waits, as a signal that another thread receives does not end a long one.
            while not self.left.wait(_POLL_S):
                pass
        except BaseException:
            self.bench.stop()
            atexit.register(_end_at_once, self.left)
            self.left.wait(_LAST_STEP_S)
            raise
        if self.failure is not None:
            raise self.failure

    def _tune(self) -> None:
        try:
            with _tensor_intrinsics_hidden():
                contexts = [self._context(task, number) for number, task in enumerate(self.tasks)]
            ms.tune.tune_tasks(
                tasks=contexts,
                task_weights=[float(task.calls) for task in self.tasks],
                work_dir=self.folder,
                max_trials_global=_UNLIMITED,
                num_trials_per_iter=_BATCH,
                builder=_Builder(self),
                runner=_Runner(self),
                database=self.database,
                cost_model=_CostModel(self),
                measure_callbacks=[ms.measure_callback.AddToDatabase(), ms.measure_callback.UpdateCostModel()],
                task_scheduler=ms.task_scheduler.GradientBased(seed=self.seed + 1),
            )
        except BaseException as error:
            # Whatever left the loop comes back as an error of TVM's.
            if not _ended(self.bench, self.limits):
                self.failure = error
        finally:
            self.left.set()

    def _context(self, task: Task, number: int) -> Any:
        """MetaSchedule's view of a task."""
        space = ms.space_generator.ScheduleFn(
            lambda schedule: _sample(schedule, task.space),
            sch_rules=[],
            postprocs=[_IsTile(task.space)],
            mutator_probs={_MutateAxis(self.random): 1.0},
        )
        strategy = ms.search_strategy.EvolutionarySearch(
            population_size=_POPULATION,
            init_measured_ratio=0.3,
            init_min_unmeasured=_BATCH,
            max_fail_count=20,
            genetic_num_iters=_GENERATIONS,
            eps_greedy=0.15,
        )
        return ms.TuneContext(
            mod=self.modules[task.name],
            target=self.target,
            space_generator=space,
            search_strategy=strategy,
            task_name=task.name,
            rand_state=self.seed + number + 1,
            num_threads=1,
        )

    def trial(self, module: tvm.IRModule) -> str:
        """Take note of what a module stands for; returns the name under which the runner finds it."""
        if _ended(self.bench, self.limits):
            raise _Ended
        extent = int(module["main"].params[0].ty.shape[0])
        task = self.tasks[extent - 1]
        tile = task.space.tile(_values(module, task.space))
        assert tile is not None, "the postprocessor lets tiles pass only"
        name = str(len(self.trials))
        self.trials[name] = task, tile
        return name

    def finish(self, future: Future[Outcome]) -> Outcome:
        """Wait for an outcome, and learn from it."""
        outcome = _wait(future, self.bench, self.limits)
        if outcome is None:
            raise _Ended
        if outcome.seconds is not None:
            self.model.learn(outcome.task, outcome.tile, outcome.seconds)
        return outcome


def _end_at_once(left: Event) -> None:
    """End the process as interrupted, but without unwinding a thread inside of TVM, which C++ answers with abort."""
    if not left.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(128 + signal.SIGINT)


def _stand_in(number: int) -> tvm.IRModule:
    """A module of one block; its size tells the tasks apart."""
    x = tvm.te.placeholder((number + 1,), name="X")
    y = tvm.te.compute(x.shape, lambda i: x[i] + tvm.tirx.const(1.0, "float32"), name="Y")
    return tvm.IRModule({"main": tvm.te.create_prim_func([x, y]).with_attr("global_symbol", "main")})


def _sample(schedule: Any, space: Space, tile: Tile | None = None) -> None:
    """Sample every axis (or take that of ``tile``) and write it down on the block."""
    block = schedule.get_sblock("Y")
    chosen = parameters(tile) if tile is not None else None
    for name, values in space.axes.items():
        decision = None if chosen is None else values.index(chosen[name])
        # Positions instead of values: MetaSchedule's mutators and database know the decision only.
        positions = list(range(len(values)))
        position = schedule.sample_categorical(positions, [1.0 / len(values)] * len(values), decision=decision)
        schedule.annotate(block, _PREFIX + name, position)


def _values(module: tvm.IRModule, space: Space) -> dict[str, int]:
    """The values of the axes that a sampled module carries."""
    statement = module["main"].body.block.body
    while not hasattr(statement, "block"):
        statement = statement.body
    annotations = statement.block.annotations
    return {name: values[int(annotations[_PREFIX + name])] for name, values in space.axes.items()}


@derived_object
class _IsTile(ms.postproc.PyPostproc):  # type: ignore[misc]
    """Refuses combinations that are no tile."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def _initialize_with_tune_context(self, context: Any) -> None:
        """Nothing to prepare."""

    def apply(self, schedule: Any) -> bool:
        return self.space.tile(_values(schedule.mod, self.space)) is not None

    def clone(self) -> Any:
        return _IsTile(self.space)


@derived_object
class _MutateAxis(ms.mutator.PyMutator):  # type: ignore[misc]
    """Takes another value on one axis, or on two, as a tile next to another may differ in both."""

    def __init__(self, random: np.random.Generator) -> None:
        super().__init__()
        self.random = random

    def _initialize_with_tune_context(self, context: Any) -> None:
        """Nothing to prepare."""

    def apply(self, trace: Any, _: Any) -> Any:
        axes = [step for step in trace.insts if step.kind.name == "SampleCategorical" and len(step.attrs[0]) > 1]
        if not axes:
            return None
        for index in self.random.permutation(len(axes))[: int(self.random.integers(1, 3))]:
            count = len(axes[index].attrs[0])
            trace = trace.with_decision(axes[index], int(self.random.integers(count)), True)
        return trace

    def clone(self) -> Any:
        return _MutateAxis(self.random)


@derived_object
class _CostModel(ms.cost_model.PyCostModel):  # type: ignore[misc]
    """MetaSchedule's view of the tile model; it learns where outcomes arrive."""

    def __init__(self, search: _MetaSchedule) -> None:
        super().__init__()
        self.search = search

    def load(self, path: str) -> None:
        """Nothing is kept: the records are."""

    def save(self, path: str) -> None:
        """As :meth:`load`."""

    def update(self, context: Any, candidates: Any, results: Any) -> None:
        """The model has learnt from the outcomes themselves."""

    def predict(self, context: Any, candidates: Any) -> Any:
        if self.search.bench.stopped:  # between two trials, MetaSchedule works for seconds on a slow machine
            raise _Ended
        task = self.search.names[str(context.task_name)]
        tiles = [task.space.tile(_values(candidate.sch.mod, task.space)) for candidate in candidates]
        # How many times faster than the default: MetaSchedule takes scores below 0 for 0.
        return np.exp(-self.search.model.guess(task, [tile or task.space.default for tile in tiles]))


@derived_object
class _Builder(ms.builder.PyBuilder):  # type: ignore[misc]
    """Only names the trials: the bench builds while the devices run."""

    def __init__(self, search: _MetaSchedule) -> None:
        super().__init__()
        self.search = search

    def build(self, build_inputs: Any) -> Any:
        return [ms.builder.BuilderResult(self.search.trial(one.mod), None) for one in build_inputs]


@derived_object
class _Runner(ms.runner.PyRunner):  # type: ignore[misc]
    """Hands trials to the bench."""

    def __init__(self, search: _MetaSchedule) -> None:
        super().__init__()
        self.search = search

    def run(self, runner_inputs: Any) -> Any:
        trials = [self.search.trials[str(one.artifact_path)] for one in runner_inputs]
        return [_Result(self.search, self.search.bench.submit(task, tile)) for task, tile in trials]


@derived_object
class _Result(ms.runner.PyRunnerFuture):  # type: ignore[misc]
    """The outcome of a trial, when there is one."""

    def __init__(self, search: _MetaSchedule, future: Future[Outcome]) -> None:
        super().__init__()
        self.search = search
        self.future = future

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Any:
        outcome = self.search.finish(self.future)
        if outcome.seconds is None:
            return ms.runner.RunnerResult(None, outcome.failure or "failed")
        return ms.runner.RunnerResult([outcome.seconds], None)
