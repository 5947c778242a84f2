"""Two libraries of one network take turns in one process: the times of the whole and of each kernel, as ratios.

Each kernel runs where it will run, with the other layers of the network in between: its weights come from wherever the
other weights have driven them, its input from where the layer before has left it, and the library's own threads share
the work. No flushing of caches between runs of a single kernel would be as true.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np

from separable.benchmarks.contest import relative_error
from separable.benchmarks.statistics import Times
from separable.runtime.loader import Array, Model, load

_RUNS = 3
_WHOLE_RUNS = 10
_TOLERANCE = 1e-5


class OutputsDiffer(Exception):
    """Two libraries of one network do not compute the same; their times are no comparison."""


def kernel_ratios(
    challenger: Path, champion: Path, inputs: Mapping[str, Array], *, threads: int, rounds: int
) -> dict[str, float]:
    """The time of each kernel of one library divided by its time in the other: the median over the rounds.

    Args:
        challenger: a library.
        champion: another library of the same network, with kernels of the same names.
        inputs: arrays by input name.
        threads: threads of each library.
        rounds: how often they take turns. Both are loaded anew for each turn, because the place in memory matters too.

    Raises:
        OutputsDiffer: by more than rounding explains.
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    _compare_outputs(challenger, champion, inputs)
    for _ in range(rounds):
        first, second = (_profile(library, inputs, threads) for library in (challenger, champion))
        for kernel, nanoseconds in first.items():
            ratios[kernel].append(nanoseconds / second[kernel])
    return {kernel: statistics.median(values) for kernel, values in ratios.items()}


def kernel_microseconds(library: Path, inputs: Mapping[str, Array], *, threads: int, rounds: int) -> dict[str, float]:
    """The median time of each kernel, over all steps that use it, in microseconds a step."""
    turns = [_profile(library, inputs, threads) for _ in range(rounds)]
    return {kernel: statistics.median(turn[kernel] for turn in turns) / 1e3 for kernel in turns[0]}


def whole_times(
    first: Path, second: Path, inputs: Mapping[str, Array], *, threads: int, rounds: int
) -> tuple[Times, Times]:
    """The times of whole runs of two libraries that take turns, each in milliseconds, [rounds, runs]."""
    turns = [[_run(library, inputs, threads) for library in (first, second)] for _ in range(rounds)]
    times = np.array(turns)
    return times[:, 0], times[:, 1]


def _profile(library: Path, inputs: Mapping[str, Array], threads: int) -> dict[str, float]:
    """Nanoseconds a step of each kernel, the median of a few runs."""
    with load(library, threads=threads) as model:
        model.run(inputs)
        runs = []
        for _ in range(_RUNS):
            steps: dict[str, list[int]] = defaultdict(list)
            for step in model.profile(inputs):
                steps[step.kernel].append(step.nanoseconds)
            runs.append({kernel: statistics.mean(times) for kernel, times in steps.items()})
    # The clock may not see an empty kernel.
    return {kernel: max(1.0, statistics.median(run[kernel] for run in runs)) for kernel in runs[0]}


def _run(library: Path, inputs: Mapping[str, Array], threads: int) -> list[float]:
    with load(library, threads=threads) as model:
        outputs = model.run(inputs)
        return [_milliseconds(model, inputs, outputs) for _ in range(_WHOLE_RUNS)]


def _milliseconds(model: Model, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> float:
    start = perf_counter()
    model.run(inputs, outputs)
    return (perf_counter() - start) * 1e3


def _compare_outputs(challenger: Path, champion: Path, inputs: Mapping[str, Array]) -> None:
    with load(challenger) as first, load(champion) as second:
        expected = second.run(inputs)
        for name, actual in first.run(inputs).items():
            error = relative_error(actual, expected[name])
            if not error <= _TOLERANCE:
                raise OutputsDiffer(f"output '{name}' of {challenger} differs by {error:.1e} of its range")
