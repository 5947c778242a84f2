"""Where our time goes: every kernel of a compiled model, against the peak of the core."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from separable.benchmarks.machine import pinned
from separable.benchmarks.peers.peer import Array
from separable.runtime.loader import load

_WARM_RUNS, _RUNS = 5, 50


@dataclass(frozen=True)
class LayerTime:
    """One kernel of our library on one thread.

    Attributes:
        name: the nodes of the model that it computes.
        milliseconds: the median of 50 runs.
        gflops: 10^9 floating-point operations per second; a multiply-add counts as two. Those of a convolution count
            in full where Winograd's or Strassen's algorithm needs fewer.
        peak_share: part of the FMA peak of the core, 0 to 1; more is possible with those algorithms.
    """

    name: str
    milliseconds: float
    gflops: float
    peak_share: float


def profile_layers(library: Path, inputs: Mapping[str, Array], peak_gflops: float) -> list[LayerTime]:
    """Time the kernels in execution order, on one thread and the first CPU that may be used."""
    with pinned({min(os.sched_getaffinity(0))}), load(library, threads=1) as model:
        runs = [model.profile(inputs) for _ in range(_WARM_RUNS + _RUNS)][_WARM_RUNS:]
    layers = []
    for times in zip(*runs, strict=True):
        nanoseconds = float(np.median([time.nanoseconds for time in times]))
        gflops = times[0].flops / max(nanoseconds, 1)
        layers.append(LayerTime(times[0].name, nanoseconds / 1e6, gflops, gflops / peak_gflops))
    return layers
