"""Contenders take turns, round after round, on the same CPUs, after their outputs were compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from separable.benchmarks.bandwidth import measure_copy_bandwidth
from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.conversion import Entrant
from separable.benchmarks.costs import Costs, median_costs
from separable.benchmarks.outputs import check_outputs
from separable.benchmarks.peers import OURS
from separable.benchmarks.peers.peer import Task
from separable.benchmarks.program import ProgramFailed, run_program
from separable.benchmarks.statistics import Comparison, Summary, Times, compare, summarize
from separable.benchmarks.workload import Workload
from separable.compiler.peak import measure_peak

ALLOWED_MB = 4.0
"""What a C program that runs our library may need beyond weights and arena, in 10^6 bytes: libc, code, its arrays."""

_RUNS_PER_TURN = 10


@dataclass(frozen=True)
class Contest:
    """What was measured with one model and one number of threads.

    Attributes:
        model: the model's name.
        threads: threads, and CPUs they were pinned to.
        flops: floating-point operations of a run; a multiply-add counts as two.
        peak_gflops: what the FMA units of one core reach, times the threads, in 10^9 operations per second.
        copy_gbs: what the threads together copy, read and written bytes counted, in 10^9 bytes per second.
        weight_bytes: size of the weights in our library.
        arena_bytes: size of the memory that our library allocates for intermediates.
        times: every run of every contender, by title; the first contender is ours.
        costs: load time, first run and memory by title, medians over fresh processes: of every contender, and under
            the title ``program`` of a C program with our library if that was measured.
        errors: the largest difference to the right outputs, relative to their range, by title as in ``costs``.
        failures: who could not take part and why, by the peer's name.
        alone: every run of ours on one thread, which took turns with the contenders; None where they have one, too.
    """

    model: str
    threads: int
    flops: int
    peak_gflops: float
    copy_gbs: float
    weight_bytes: int
    arena_bytes: int
    times: Mapping[str, Times]
    costs: Mapping[str, Costs]
    errors: Mapping[str, float]
    failures: Mapping[str, str] = field(default_factory=dict)
    alone: Times | None = None

    @property
    def rounds(self) -> int:
        """How many turns each contender had."""
        return len(self.times[self.ours])

    @property
    def ours(self) -> str:
        """Our title."""
        return next(iter(self.times))

    @property
    def program(self) -> str:
        """The title of the C program with our library."""
        return f"{self.ours} (C)"

    @property
    def allowed_mb(self) -> float:
        """How much memory the C program may need, in 10^6 bytes."""
        return (self.weight_bytes + self.arena_bytes) / 1e6 + ALLOWED_MB

    @property
    def fastest_peer(self) -> str | None:
        """The title of the peer with the lowest median; None without peers."""
        peers = [title for title in self.times if title != self.ours]
        return min(peers, key=lambda title: self.summary(title).median, default=None)

    def summary(self, title: str) -> Summary:
        """The times of one contender."""
        return summarize(self.times[title])

    def peak_share(self, title: str) -> float:
        """What part of the FMA peak of the CPUs one contender's median run reaches, 0 to 1."""
        return self.flops / (self.summary(title).median * 1e6) / self.peak_gflops

    @property
    def speed_up(self) -> Comparison | None:
        """Our time on one thread divided by that on all; None in a contest on one thread."""
        return None if self.alone is None else compare(self.alone, self.times[self.ours])

    def against(self, title: str) -> Comparison:
        """Ours compared with another contender."""
        return compare(self.times[self.ours], self.times[title])


def hold_contest(
    workload: Workload,
    entrants: Sequence[Entrant],
    *,
    threads: int,
    cpus: Sequence[int],
    rounds: int,
    processes: int = 1,
    program: Path | None = None,
    failures: Mapping[str, str] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Contest:
    """Let contenders run a model in turns. A peer that fails is left out, and the reason is kept.

    On several threads, ours on one thread takes turns with them: in another contest, at another time, the machine may
    be another.

    Args:
        workload: the model.
        entrants: who takes part; ours first.
        threads: threads of each.
        cpus: the CPUs that all of them are pinned to; as many as threads.
        rounds: how many turns each takes; who begins changes from round to round.
        processes: in how many fresh processes the costs are measured.
        program: a C program with our library, whose costs are measured too.
        failures: who failed before, by the peer's name.
        advance: called after each round.

    Raises:
        ContenderFailed: ours cannot run the model, or its outputs differ from ONNX Runtime's.
    """
    failed = dict(failures or {})
    with ExitStack() as stack:
        contenders: list[Contender] = []
        errors: dict[str, float] = {}
        costs: dict[str, Costs] = {}
        for entrant in entrants:
            task = workload.task(entrant.model, threads)
            try:
                contender, error = _enter(stack, entrant, task, cpus, workload)
                errors[contender.title] = error
                again = _costs_of_others(entrant, task, cpus, processes - 1)
                costs[contender.title] = median_costs([contender.costs, *again])
            except ContenderFailed as failure:
                _excuse(failure, failed)
            else:
                contenders.append(contender)
        alone = None
        if threads > 1:
            alone, _ = _enter(stack, entrants[0], workload.task(entrants[0].model, 1), cpus[:1], workload)
        peaks, copies = [measure_peak().gflops], [measure_copy_bandwidth(threads)]
        turns = _take_turns([*contenders, alone] if alone else contenders, rounds, failed, advance)
        peaks.append(measure_peak().gflops)
        copies.append(measure_copy_bandwidth(threads))
    finished = [contender for contender in contenders if contender.name not in failed]
    result = Contest(
        model=workload.name,
        threads=threads,
        flops=workload.flops,
        peak_gflops=threads * max(peaks),
        copy_gbs=max(copies),
        weight_bytes=workload.weight_bytes,
        arena_bytes=workload.arena_bytes,
        times={contender.title: np.array(turns[contender]) for contender in finished},
        costs={contender.title: costs[contender.title] for contender in finished},
        errors={contender.title: errors[contender.title] for contender in finished},
        failures=failed,
        alone=np.array(turns[alone]) if alone else None,
    )
    return result if program is None else _with_program(result, program, workload, cpus, processes)


def _enter(
    stack: ExitStack, entrant: Entrant, task: Task, cpus: Sequence[int], workload: Workload
) -> tuple[Contender, float]:
    """A contender that stays until the stack is left, and the error of its outputs.

    Raises:
        ContenderFailed: it cannot run the model, or its outputs are wrong.
    """
    contender = stack.enter_context(Contender(entrant.name, task, cpus, entrant.python))
    return contender, check_outputs(entrant.name, contender.outputs, workload.expected)


def _costs_of_others(entrant: Entrant, task: Task, cpus: Sequence[int], processes: int) -> Iterator[Costs]:
    """What further processes cost, one after the other."""
    for _ in range(processes):
        with Contender(entrant.name, task, cpus, entrant.python) as contender:
            yield contender.costs


def _with_program(contest: Contest, program: Path, workload: Workload, cpus: Sequence[int], processes: int) -> Contest:
    """The contest with what our library costs in a C program, or the reason why that is not known."""
    task = workload.task(workload.library, contest.threads)
    costs, errors = [], []
    try:
        for _ in range(processes):
            spent, outputs = run_program(program, task, cpus)
            costs.append(spent)
            errors.append(check_outputs(OURS, outputs, workload.expected))
    except (ContenderFailed, ProgramFailed) as error:
        return replace(contest, failures={**contest.failures, contest.program: str(error)})
    return replace(
        contest,
        costs={contest.program: median_costs(costs), **contest.costs},
        errors={contest.program: max(errors), **contest.errors},
    )


def _take_turns(
    contenders: Sequence[Contender], rounds: int, failed: dict[str, str], advance: Callable[[], None]
) -> dict[Contender, list[list[float]]]:
    """The times of each round; who fails on the way is added to ``failed``."""
    turns: dict[Contender, list[list[float]]] = {contender: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            if contender.name in failed:
                continue
            try:
                turns[contender].append(contender.take_turn(_RUNS_PER_TURN))
            except ContenderFailed as error:
                _excuse(error, failed)
        advance()
    return turns


def _excuse(error: ContenderFailed, failed: dict[str, str]) -> None:
    """Keep the reason, unless it is ours that failed: then there is nothing to compare with."""
    if error.name == OURS:
        raise error
    failed[error.name] = error.reason
