"""Contenders take turns, round after round, on the same CPUs, after their outputs were compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from separable.benchmarks.bandwidth import measure_copy_bandwidth
from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.conversion import Entrant
from separable.benchmarks.peers import OURS
from separable.benchmarks.peers.peer import Array
from separable.benchmarks.server import Costs
from separable.benchmarks.statistics import Comparison, Summary, Times, compare, summarize
from separable.benchmarks.workload import Workload
from separable.compiler.peak import measure_peak

TOLERANCE = 1e-4
"""How far our outputs may differ from ONNX Runtime's, relative to the range of the output."""

PEER_TOLERANCE = 1e-3
"""The same for peers, some of which multiply in ways that round more, such as Winograd's."""

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
        times: every run of every contender, by title; the first contender is ours.
        costs: load time, first run and memory of every contender, by title.
        errors: the largest difference to the right outputs, relative to their range, by title.
        failures: who could not take part and why, by the peer's name.
    """

    model: str
    threads: int
    flops: int
    peak_gflops: float
    copy_gbs: float
    times: Mapping[str, Times]
    costs: Mapping[str, Costs]
    errors: Mapping[str, float]
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """How many turns each contender had."""
        return len(self.times[self.ours])

    @property
    def ours(self) -> str:
        """Our title."""
        return next(iter(self.times))

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
    failures: Mapping[str, str] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Contest:
    """Let contenders run a model in turns. A peer that fails is left out, and the reason is kept.

    Args:
        workload: the model.
        entrants: who takes part; ours first.
        threads: threads of each.
        cpus: the CPUs that all of them are pinned to; as many as threads.
        rounds: how many turns each takes; who begins changes from round to round.
        failures: who failed before, by the peer's name.
        advance: called after each round.

    Raises:
        ContenderFailed: ours cannot run the model, or its outputs differ from ONNX Runtime's.
    """
    failed = dict(failures or {})
    with ExitStack() as stack:
        contenders: list[Contender] = []
        errors: dict[str, float] = {}
        for entrant in entrants:
            task = workload.task(entrant.model, threads)
            try:
                contender = stack.enter_context(Contender(entrant.name, task, cpus, entrant.python))
                errors[contender.title] = check_outputs(entrant.name, contender.outputs, workload.expected)
            except ContenderFailed as error:
                _excuse(error, failed)
            else:
                contenders.append(contender)
        peaks, copies = [measure_peak().gflops], [measure_copy_bandwidth(threads)]
        turns = _take_turns(contenders, rounds, failed, advance)
        peaks.append(measure_peak().gflops)
        copies.append(measure_copy_bandwidth(threads))
    finished = [contender for contender in contenders if contender.name not in failed]
    return Contest(
        model=workload.name,
        threads=threads,
        flops=workload.flops,
        peak_gflops=threads * max(peaks),
        copy_gbs=max(copies),
        times={contender.title: np.array(turns[contender.name]) for contender in finished},
        costs={contender.title: contender.costs for contender in finished},
        errors=errors,
        failures=failed,
    )


def _take_turns(
    contenders: Sequence[Contender], rounds: int, failed: dict[str, str], advance: Callable[[], None]
) -> dict[str, list[list[float]]]:
    """The times of each round by the contender's name; who fails on the way is added to ``failed``."""
    turns: dict[str, list[list[float]]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            if contender.name in failed:
                continue
            try:
                turns[contender.name].append(contender.take_turn(_RUNS_PER_TURN))
            except ContenderFailed as error:
                _excuse(error, failed)
        advance()
    return turns


def _excuse(error: ContenderFailed, failed: dict[str, str]) -> None:
    """Keep the reason, unless it is ours that failed: then there is nothing to compare with."""
    if error.name == OURS:
        raise error
    failed[error.name] = error.reason


def check_outputs(name: str, outputs: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest error of the outputs of the peer ``name``: times of different results are no comparison.

    Raises:
        ContenderFailed: it is above ``TOLERANCE`` for ours, ``PEER_TOLERANCE`` for others, or a shape differs.
    """
    allowed = TOLERANCE if name == OURS else PEER_TOLERANCE
    errors = [0.0]
    for key, right in expected.items():
        if outputs[key].shape != right.shape:
            raise ContenderFailed(name, f"output '{key}' has shape {outputs[key].shape}, not {right.shape}")
        errors.append(relative_error(outputs[key], right))
        if not errors[-1] <= allowed:
            raise ContenderFailed(
                name, f"output '{key}' differs by {errors[-1]:.1e} of its range, allowed is {allowed:g}"
            )
    return max(errors)


def relative_error(actual: Array, expected: Array) -> float:
    """The largest absolute difference, relative to the range of ``expected``; NaN if either has one."""
    spread = float(np.ptp(expected)) or 1.0
    return float(np.abs(actual.astype(np.float64) - expected).max()) / spread
