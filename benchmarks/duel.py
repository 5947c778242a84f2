"""Two libraries of one network take turns: the times of whole runs, and of each kernel where it will run.

Inside of the network a kernel's weights come from wherever the other weights have driven them, its input from where the
layer before has left it, and the library's own threads share the work. No kernel alone in a loop, with or without
flushed caches, would be as true.

A duel has a process of its own, ``python -m separable.benchmarks.duel``: a library stays loaded as long as the process
lives, and a search loads hundreds. The libraries are loaded anew for each turn, as their place in memory matters too.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from separable.benchmarks.statistics import Comparison, Times, compare
from separable.runtime.loader import Array, load

_RUNS = 3
_TOLERANCE = 1e-5


class DuelFailed(Exception):
    """A library cannot run, or two libraries of one network do not compute the same."""


@dataclass(frozen=True)
class Turns:
    """One library's times.

    Attributes:
        whole: whole runs.
        kernels: nanoseconds a step of each kernel, one number a turn: the best of its runs, as whatever else the
            machine does can only add to it.
    """

    whole: Times
    kernels: Mapping[str, list[float]]


@dataclass(frozen=True)
class Duel:
    """The times of both, turn by turn."""

    challenger: Turns
    champion: Turns

    @property
    def kernel_ratios(self) -> dict[str, float]:
        """The challenger's time of each kernel divided by the champion's, the median over the turns."""
        return {
            kernel: statistics.median(a / b for a, b in zip(times, self.champion.kernels[kernel], strict=True))
            for kernel, times in self.challenger.kernels.items()
        }

    @property
    def whole(self) -> Comparison:
        """The challenger compared with the champion."""
        return compare(self.challenger.whole, self.champion.whole)


def hold_duel(challenger: Path, champion: Path, inputs: Path, *, threads: int, rounds: int) -> Duel:
    """Let two libraries of one network take turns.

    Args:
        challenger: a library.
        champion: another, with kernels of the same names.
        inputs: arrays by input name, as ``numpy.savez`` writes them.
        threads: threads of each library.
        rounds: how many turns each takes.

    Raises:
        DuelFailed: a library does not run, or the outputs differ by more than rounding explains.
    """
    command = [sys.executable, "-m", __name__, str(challenger), str(champion), str(inputs), str(threads), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DuelFailed(f"{challenger} against {champion}: {done.stderr.strip()}")
    return Duel(*(Turns(np.array(turns["whole"]), turns["kernels"]) for turns in json.loads(done.stdout)))


def _take_turns(libraries: list[Path], inputs: Mapping[str, Array], threads: int, rounds: int) -> list[dict[str, Any]]:
    """The fields of ``Turns`` for each library."""
    whole: list[list[list[float]]] = [[] for _ in libraries]
    kernels: list[dict[str, list[float]]] = [defaultdict(list) for _ in libraries]
    for number in range(rounds):
        # Who begins changes from round to round.
        for index in (range(len(libraries)), reversed(range(len(libraries))))[number % 2]:
            milliseconds, nanoseconds = _take_turn(libraries[index], inputs, threads)
            whole[index].append(milliseconds)
            for kernel, time in nanoseconds.items():
                kernels[index][kernel].append(time)
    return [{"whole": times, "kernels": by_kernel} for times, by_kernel in zip(whole, kernels, strict=True)]


def _take_turn(library: Path, inputs: Mapping[str, Array], threads: int) -> tuple[list[float], dict[str, float]]:
    """Milliseconds of whole runs, and nanoseconds a step of each kernel."""
    with load(library, threads=threads) as model:
        outputs = model.run(inputs)
        milliseconds = []
        for _ in range(_RUNS):
            start = perf_counter()
            model.run(inputs, outputs)
            milliseconds.append((perf_counter() - start) * 1e3)
        best: dict[str, float] = {}
        for _ in range(_RUNS):
            steps: dict[str, list[int]] = defaultdict(list)
            for step in model.profile(inputs):
                steps[step.kernel].append(step.nanoseconds)
            for kernel, times in steps.items():
                # The clock may not see an empty kernel.
                best[kernel] = min(best.get(kernel, float("inf")), max(1.0, statistics.mean(times)))
    return milliseconds, best


def _difference(first: Path, second: Path, inputs: Mapping[str, Array]) -> float:
    """The largest difference of the outputs, relative to the range of each; NaN if any is NaN."""
    with load(first) as one, load(second) as other:
        expected = other.run(inputs)
        return max(
            float(np.abs(actual - expected[name]).max() / (np.ptp(expected[name]) or 1.0))
            for name, actual in one.run(inputs).items()
        )


def main() -> None:
    """Hold the duel that the command line describes; print the turns of both as JSON."""
    challenger, champion = (Path(path) for path in sys.argv[1:3])
    with np.load(sys.argv[3]) as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    difference = _difference(challenger, champion, inputs)
    if not difference <= _TOLERANCE:
        sys.exit(f"the outputs differ by {difference:.1e} of their range")
    json.dump(
        _take_turns([challenger, champion], inputs, threads=int(sys.argv[4]), rounds=int(sys.argv[5])), sys.stdout
    )


if __name__ == "__main__":
    main()
