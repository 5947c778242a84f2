"""How long a network takes: here, on a device behind a tracker, or estimated from its target row."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from separable.compiler.errors import CompileError
from separable.compiler.estimate import estimate_built
from separable.compiler.pipeline import Built, resolve_target
from separable.compiler.tuning.fleet import Fleet
from separable.compiler.tuning.local import LocalDevice, share_cpus
from separable.compiler.tuning.network import NetworkBench
from separable.compiler.verify import runs_here

_TURN_S = 0.2
_TIMEOUT_S = 120.0


class MeasurementFailed(CompileError):
    """A network cannot be run, or not be timed."""


@dataclass(frozen=True)
class Prepared:
    """A compiled network.

    Attributes:
        model: its ONNX file.
        built: its kernels.
        library: the shared library.
        folder: for temporary files; it is there as long as the network is measured.
    """

    model: Path
    built: Built
    library: Path
    folder: Path


@dataclass(frozen=True)
class Timed:
    """The median run of each turn in milliseconds; of an estimate also what it will hardly leave."""

    turns_ms: tuple[float, ...]
    bounds_ms: tuple[float, float] | None = None


class Session(Protocol):
    """One network that can be timed again and again."""

    def time(self, turns: int) -> Timed:
        """Time it.

        Raises:
            CompileError: it does not run.
        """


class Meter(Protocol):
    """Times networks.

    Attributes:
        device: what they run on, in words.
        repeats: whether further turns tell more.
    """

    device: str
    repeats: bool

    def open(self, network: Prepared) -> Session:
        """Make a network ready to be timed."""


class LocalMeter:
    """Loads the library in processes of their own, on the last CPUs of this machine."""

    repeats = True

    def __init__(self, threads: int) -> None:
        self.device = LocalDevice().name
        self._threads = threads
        self._cpus, _ = share_cpus(threads)

    def open(self, network: Prepared) -> Session:
        """The library is all that it needs."""
        return _Library(network.library, self._threads, self._cpus)


@dataclass(frozen=True)
class _Library:
    path: Path
    threads: int
    cpus: str

    def time(self, turns: int) -> Timed:
        return Timed(tuple(self._turn() for _ in range(turns)))

    def _turn(self) -> float:
        module = "separable.compiler.choosing.timing"
        command = [sys.executable, "-m", module, str(self.path), str(self.threads), self.cpus, str(_TURN_S)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise MeasurementFailed(f"{self.path.stem} still ran after {_TIMEOUT_S:.0f} s") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
            raise MeasurementFailed(f"{self.path.stem} does not run ({done.returncode}): {last}")
        times: list[float] = json.loads(done.stdout)
        return statistics.median(times)


class FleetMeter:
    """Runs a static program of the network on the devices of a fleet, which compares its outputs first."""

    repeats = True

    def __init__(self, fleet: Fleet, device: str, threads: int) -> None:
        self.device = device
        self._fleet, self._threads = fleet, threads

    def open(self, network: Prepared) -> Session:
        """Link the program and compute what its outputs must be."""
        bench = NetworkBench(
            network.built, self._fleet, network.folder, model=network.model, threads=self._threads, cpus=""
        )
        return _Program(bench)


@dataclass(frozen=True)
class _Program:
    bench: NetworkBench

    def time(self, turns: int) -> Timed:
        ran = [self.bench.run_default() for _ in range(turns)]
        return Timed(tuple(statistics.median(turn.whole) / 1e6 for turn in ran))


class EstimateMeter:
    """Asks the cost model of ``separable estimate``; nothing runs."""

    device, repeats = "estimate", False

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def open(self, network: Prepared) -> Session:
        """The kernels are all that it needs."""
        return _Estimated(network.built, self._threads)


@dataclass(frozen=True)
class _Estimated:
    built: Built
    threads: int

    def time(self, turns: int) -> Timed:
        estimate = estimate_built(self.built, self.threads)
        times = estimate.milliseconds, estimate.low, estimate.high
        if not all(math.isfinite(time) and time > 0 for time in times):
            raise MeasurementFailed(f"{self.built.target.name}: the estimate is no time: {times}")
        return Timed((estimate.milliseconds,), (estimate.low, estimate.high))


def local_meter(target: str, threads: int) -> LocalMeter:
    """A meter for this machine.

    Raises:
        MeasurementFailed: it cannot run code for the target, or has fewer CPUs than threads.
    """
    row = resolve_target(target)
    if not runs_here(row.arch, row.libc):
        raise MeasurementFailed(
            f"this machine cannot run libraries for {row.name} ({row.arch}, {row.libc}); name the device with "
            "--tracker HOST:PORT --key KEY, or ask for --device estimate"
        )
    usable = len(os.sched_getaffinity(0))
    if threads > usable:
        raise MeasurementFailed(f"--threads {threads}: this machine has {usable} CPUs that may be used")
    return LocalMeter(threads)
