"""Contenders take turns, round after round, on the same CPUs, after their outputs were compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.peers.peer import Array, Task
from separable.benchmarks.statistics import Comparison, Summary, Times, compare, summarize
from separable.compiler.peak import measure_peak

TOLERANCE = 1e-4
"""How far outputs may differ, relative to the range of the output."""

_RUNS_PER_TURN = 10


@dataclass(frozen=True)
class Contest:
    """What was measured with one model and one number of threads.

    Attributes:
        model: the model's name.
        threads: threads, and CPUs they were pinned to.
        flops: floating-point operations of a run; a multiply-add counts as two.
        peak_gflops: what the FMA units of one core reach, times the threads, in 10^9 operations per second.
        times: every run of every contender, by title; the first contender is ours.
    """

    model: str
    threads: int
    flops: int
    peak_gflops: float
    times: Mapping[str, Times]

    @property
    def rounds(self) -> int:
        """How many turns each contender had."""
        return len(next(iter(self.times.values())))

    def summary(self, title: str) -> Summary:
        """The times of one contender."""
        return summarize(self.times[title])

    def peak_share(self, title: str) -> float:
        """What part of the FMA peak of the CPUs one contender's median run reaches, 0 to 1."""
        return self.flops / (self.summary(title).median * 1e6) / self.peak_gflops

    def against(self, title: str) -> Comparison:
        """Ours compared with another contender."""
        return compare(next(iter(self.times.values())), self.times[title])


def hold_contest(
    task: Task,
    *,
    name: str,
    flops: int,
    peers: Sequence[str],
    cpus: Sequence[int],
    rounds: int,
    advance: Callable[[], None] = lambda: None,
) -> Contest:
    """Let peers run a model in turns.

    Args:
        task: model, inputs and threads.
        name: the model's name in the results.
        flops: floating-point operations of a run.
        peers: modules of ``benchmarks.peers``; ours first.
        cpus: the CPUs that all of them are pinned to; as many as threads.
        rounds: how many turns each takes; who begins changes from round to round.
        advance: called after each round.

    Raises:
        ContenderFailed: a peer cannot run the model, or its outputs differ from ours.
    """
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(peer, task, cpus)) for peer in peers]
        for other in contenders[1:]:
            check_outputs(contenders[0], other)
        peaks = [measure_peak().gflops]
        turns: dict[str, list[list[float]]] = {contender.title: [] for contender in contenders}
        for number in range(rounds):
            first = number % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                turns[contender.title].append(contender.take_turn(_RUNS_PER_TURN))
            advance()
        peaks.append(measure_peak().gflops)
    times = {title: np.array(rows) for title, rows in turns.items()}
    return Contest(name, task.threads, flops, task.threads * max(peaks), times)


def check_outputs(ours: Contender, other: Contender) -> None:
    """Times of different results are no comparison.

    Raises:
        ContenderFailed: an output differs by more than ``TOLERANCE``.
    """
    for name, expected in other.outputs.items():
        error = relative_error(ours.outputs[name], expected)
        if not error <= TOLERANCE:
            raise ContenderFailed(
                f"{other.title}: output '{name}' differs by {error:.1e} of its range, allowed is {TOLERANCE:g}"
            )


def relative_error(actual: Array, expected: Array) -> float:
    """The largest absolute difference, relative to the range of ``expected``; NaN if either has one."""
    spread = float(np.ptp(expected)) or 1.0
    return float(np.abs(actual.astype(np.float64) - expected).max()) / spread
