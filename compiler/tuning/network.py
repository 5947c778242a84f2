"""The last word of a tuning: the whole network with the tiles found against the default one, taking turns on a device.

A kernel that won alone may lose among the others: the caches hold something else there. So the tiles found go into the
network together; what is no faster there goes back to its default, and if the rest makes the network no faster beyond
doubt, the half of it that gains least goes back, too, until the network wins or is the default one again.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from separable.compiler.emit.c_source import OPS, called_sources, model_source
from separable.compiler.emit.kernel import LoweredKernel
from separable.compiler.emit.object_file import build_object
from separable.compiler.emit.weights import pack_weights, write_weights
from separable.compiler.inputs import random_inputs
from separable.compiler.pipeline import Built
from separable.compiler.plan_memory import plan_memory
from separable.compiler.schedule import ScheduledKernel, schedule_program
from separable.compiler.tuning.bench import Devices
from separable.compiler.tuning.candidate import CandidateFailed, failure_of
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.program import StaticLinker
from separable.compiler.verify import TOLERANCES, reference_outputs
from separable.runtime.loader import TensorSpec
from separable.schedules.call import Call
from separable.schedules.space import Tile
from separable.schedules.workload import Workload

ROUNDS = 12
_RUNS = 8
_NO_GAIN = 0.995
"""A kernel stays at its default unless it takes less than this part of the default's time in the network."""
_DOUBT = 0.025
_MOST_DUELS, _MORE = 8, 2
_PATIENCE = 4
_TIMEOUT_S = 60.0
_TOLERANCE = TOLERANCES["fp32"]
_MEMORY_BYTES = 4 << 30
_SOURCES = ("network_main.c", "harness.c", "cores.c", "halo.c", "isa.c", "model.c", "threads.c", "variant.c")


@dataclass(frozen=True)
class Turn:
    """One run of one network's program: nanoseconds of whole runs, and of all calls of each kernel."""

    whole: Sequence[float]
    kernels: Mapping[str, Sequence[float]]
    device: str


@dataclass(frozen=True)
class Duel:
    """Two networks that took turns.

    Attributes:
        tuned, default: the turns of each, one for each round.
    """

    tuned: Sequence[Turn]
    default: Sequence[Turn]

    @property
    def ratios(self) -> list[float]:
        """Tuned time divided by the default's, round by round.

        The least time of each turn counts, as whatever else the device does can only add to it.
        """
        return [min(a.whole) / min(b.whole) for a, b in zip(self.tuned, self.default, strict=True)]

    @property
    def ratio(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.ratios)

    @property
    def faster_beyond_doubt(self) -> bool:
        """Whether so many rounds are won that as many heads in as many tosses of a coin are rare (below 2.5 %)."""
        count = len(self.ratios)
        lost = sum(ratio >= 1 for ratio in self.ratios)
        return sum(math.comb(count, k) for k in range(lost + 1)) <= _DOUBT * (1 << count)

    def __str__(self) -> str:
        lost = sum(ratio >= 1 for ratio in self.ratios)
        return f"{self.ratio:.3f} ({lost} of {len(self.ratios)} rounds lost)"

    def and_then(self, later: Duel) -> Duel:
        """This duel with further rounds."""
        return Duel([*self.tuned, *later.tuned], [*self.default, *later.default])

    def kernel_ratio(self, kernel: str) -> float:
        """The same for one kernel, whose least time in each turn counts."""
        turns = zip(self.tuned, self.default, strict=True)
        return statistics.median(min(a.kernels[kernel]) / min(b.kernels[kernel]) for a, b in turns)

    def saved_ns(self, kernel: str) -> float:
        """Nanoseconds of a run that a kernel's tile saves."""
        return (1 - self.kernel_ratio(kernel)) * statistics.median(min(turn.kernels[kernel]) for turn in self.default)


@dataclass(frozen=True)
class Verdict:
    """What the network's measurement decided.

    Attributes:
        tiles: the tiles that stay, by kernel name; a kernel not in it keeps its default.
        dropped: the kernels whose tile won alone and lost here.
        duel: the last one, between the default network and that with ``tiles``; None if no tile was left to try.
    """

    tiles: Mapping[str, Tile]
    dropped: Sequence[str]
    duel: Duel | None


class NetworkBench:
    """Builds and runs whole networks."""

    def __init__(
        self,
        built: Built,
        devices: Devices,
        folder: Path,
        *,
        model: Path,
        threads: int,
        cpus: str,
        rounds: int = ROUNDS,
    ) -> None:
        """Compute what the outputs must be.

        Args:
            built: the network with its default tiles.
            devices: where it runs.
            folder: receives programs and data.
            model: the ONNX file, which the reference runs.
            threads: of the network.
            cpus: list of CPUs, empty for all.
            rounds: how many turns each network takes in a duel.

        Raises:
            InvalidModel: the reference cannot run the model.
        """
        self.built = built
        self.workloads = {kernel.name: kernel.workload for kernel in built.scheduled.kernels}
        self._devices = devices
        self._folder = folder
        self._threads, self._cpus, self._rounds = threads, cpus, rounds
        self._linker = StaticLinker(built.target, folder)
        self._objects: dict[tuple[Workload, object], Path] = {}
        self._serial = 0
        self._files, self._outputs = self._write_data(model)
        self._default: Candidate | None = None
        self._tuned: tuple[Mapping[str, Tile], Candidate] | None = None

    def decide(
        self,
        winners: Mapping[str, Tile],
        note: Callable[[str], None] = lambda text: None,
        deadline: float = math.inf,
    ) -> Verdict:
        """Which of the tiles that won alone stay.

        Args:
            winners: a tile by kernel name.
            note: told what is under way.
            deadline: of ``time.monotonic``; after it no further duel begins, and what is in doubt is dropped.

        Raises:
            CandidateFailed: the default network itself does not run.
        """
        tiles, duel = dict(winners), None
        for number in range(_MOST_DUELS):
            if not tiles or (number and time.monotonic() >= deadline):
                break
            duel = self.duel(tiles)
            for _ in range(_MORE):
                # Probably faster: more rounds tell.
                if duel.faster_beyond_doubt or duel.ratio >= 1 or time.monotonic() >= deadline:
                    break
                duel = duel.and_then(self.duel(tiles))
            note(f"the network with {len(tiles)} tuned kernels takes {duel} of the default's time")
            losers = [name for name in tiles if duel.kernel_ratio(name) > _NO_GAIN]
            if not losers and duel.faster_beyond_doubt:
                return Verdict(tiles, [name for name in winners if name not in tiles], duel)
            if not losers:
                ranked = sorted(tiles, key=duel.saved_ns)
                losers = ranked[: (len(ranked) + 1) // 2]
            tiles = {name: tile for name, tile in tiles.items() if name not in losers}
        return Verdict({}, list(winners), duel)

    def duel(self, tiles: Mapping[str, Tile]) -> Duel:
        """The network with these tiles against the default one.

        Raises:
            CandidateFailed: one of them does not run, or computes something else.
        """
        default = self._default_candidate()
        if self._tuned is None or self._tuned[0] != tiles:
            if self._tuned is not None:
                self._tuned[1].program.unlink()
            self._tuned = dict(tiles), self._candidate(tiles)
        tuned = self._tuned[1]
        turns: dict[bool, list[Turn]] = {True: [], False: []}
        for number in range(_PATIENCE * self._rounds):
            if len(turns[True]) == self._rounds:
                break
            # Who begins changes from round to round.
            order = (True, False) if number % 2 else (False, True)
            pair = {is_tuned: self._run(tuned if is_tuned else default) for is_tuned in order}
            # Of several devices one is faster than the other: only turns on the same one are compared.
            if pair[True].device == pair[False].device:
                for is_tuned, turn in pair.items():
                    turns[is_tuned].append(turn)
        if not turns[True]:
            raise CandidateFailed("the network never ran twice on the same device")
        return Duel(turns[True], turns[False])

    def run_default(self) -> Turn:
        """One turn of the network with its default tiles.

        Raises:
            CandidateFailed: it does not run, or computes something else.
        """
        return self._run(self._default_candidate())

    def _default_candidate(self) -> Candidate:
        if self._default is None:
            self._default = self._candidate({})
        return self._default

    def _run(self, candidate: Candidate) -> Turn:
        return read_turn(self._devices.submit(candidate).result())

    def _candidate(self, tiles: Mapping[str, Tile]) -> Candidate:
        built = retiled(self.built, {self.workloads[name]: tile for name, tile in tiles.items()})
        self._serial += 1
        work = self._folder / f"network_{self._serial}"
        work.mkdir()
        blob = pack_weights(built.scheduled.constants)
        source = work / "network.c"
        source.write_text(
            model_source(
                "network",
                [built],
                target=built.target.name,
                blob=blob,
                threads=self._threads,
                description={},
            )
        )
        objects = [
            self._linker.compile(source, work / "network.o"),
            self._linker.compile(write_weights(blob, work), work / "weights.o"),
            *(self._object(kernel) for kernel in built.scheduled.kernels if not isinstance(kernel.lowered, Call)),
        ]
        sources = (*_SOURCES, *(f"{OPS}/{source}.c" for source in called_sources([built])))
        program = self._linker.link(self._folder / f"network_{self._serial}.exe", sources, objects)
        for path in work.iterdir():
            path.unlink()
        numbers = (_RUNS, self._threads, self._cpus, _TOLERANCE, 0, len(built.imported.inputs), self._outputs)
        return Candidate(program, self._files, tuple(map(str, numbers)), _TIMEOUT_S, _MEMORY_BYTES)

    def _object(self, kernel: ScheduledKernel) -> Path:
        """The object of a kernel, compiled once for each tile."""
        key = (kernel.workload, kernel.tile)
        if key not in self._objects:
            self._objects[key] = self._folder / f"network_kernel_{len(self._objects)}.o"
            assert isinstance(kernel.lowered, LoweredKernel)
            build_object([kernel.lowered], self.built.target, self._objects[key])
        return self._objects[key]

    def _write_data(self, model: Path) -> tuple[Mapping[str, Path], str]:
        """Files with inputs and expected outputs, and a letter for each output."""
        specs = [TensorSpec(spec.name, spec.shape, np.dtype(spec.dtype)) for spec in self.built.imported.inputs]
        inputs = random_inputs(specs, seed=0)
        expected = reference_outputs(model, inputs)
        arrays = {f"input{index}": inputs[spec.name] for index, spec in enumerate(specs)}
        arrays |= {f"expected{index}": np.asarray(array) for index, array in enumerate(expected)}
        files = {}
        for name, array in arrays.items():
            files[name] = self._folder / f"{name}.bin"
            files[name].write_bytes(np.ascontiguousarray(array).tobytes())
        return files, "".join("f" if array.dtype == np.float32 else "b" for array in expected)


def retiled(built: Built, tiles: Mapping[Workload, Tile]) -> Built:
    """The same network with other tiles."""
    scheduled = schedule_program(built.program, built.target, lambda done, total: None, tiles)
    return replace(built, scheduled=scheduled, plan=plan_memory(built.program, scheduled.overread))


def read_turn(finished: Finished) -> Turn:
    """What a network's program reported.

    Raises:
        CandidateFailed: as :func:`read_timing`.
    """
    if failure := failure_of(finished):
        raise CandidateFailed(f"the network {failure}")
    try:
        values: Any = json.loads(finished.stdout)
        error = float(values["max_error"])
        whole = [float(sample) for sample in values["samples_ns"]]
        kernels = {str(name): [max(1.0, float(ns)) for ns in times] for name, times in values["kernels"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as problem:
        raise CandidateFailed(f"the network printed no result but {finished.stdout.strip()[:100]!r}") from problem
    if not error <= _TOLERANCE or not whole or min(whole) <= 0:
        raise CandidateFailed(f"the network computes something else: off by {error:.1e} of the largest output")
    return Turn(whole, kernels, finished.device)
