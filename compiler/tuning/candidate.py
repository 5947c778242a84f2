"""A tile -> a program that checks and times the kernel on a device, with the data it needs.

Input, weights and the expected output belong to the workload and are made once, from a fixed seed; a tile adds its
packed weights and the program. Files are named after their content, so what several tiles share is stored, and
transferred to a device, once.
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from separable.compiler._tvm import tvm
from separable.compiler.emit.kernel import lower_kernel
from separable.compiler.emit.object_file import build_object
from separable.compiler.errors import ToolchainMissing
from separable.compiler.interrupts import interrupt_later
from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.errors import TuningError
from separable.compiler.tuning.program import StaticLinker
from separable.compiler.tuning.reference import (
    Single,
    expected_output,
    random_constants,
    random_image,
    to_buffer,
)
from separable.schedules import registry
from separable.schedules.overread import overread_bytes
from separable.schedules.space import Tile
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Workload
from separable.targets.row import Target

TOLERANCE = 2e-5
"""Largest error, relative to the largest output, that the order of float32 sums explains; wrong kernels are far off."""

_SYMBOL = "separable_candidate"
_SOURCES = ("kernel_main.c", "harness.c", "threads.c")
_TIMEOUT_S = 10.0


class CandidateFailed(TuningError):
    """A candidate cannot be built, does not run, or computes something else: no error of the search."""


@dataclass(frozen=True)
class Effort:
    """How thoroughly a candidate is timed.

    Attributes:
        samples: how many times are reported.
        microseconds: least time that one sample takes; the kernel is repeated as often as that needs.
        cooldown_ms: pause before the measurement.
    """

    samples: int = 12
    microseconds: int = 1000
    cooldown_ms: int = 0


@dataclass(frozen=True)
class Timing:
    """What a candidate's program reported.

    Attributes:
        samples_ns: nanoseconds of one call, sample by sample.
        max_error: largest difference to the expected output, relative to the largest of its values.
        frequency_khz: of the CPU's clock before and after; None if the device does not say.
    """

    samples_ns: tuple[float, ...]
    max_error: float
    frequency_khz: tuple[int, int] | None


@dataclass(frozen=True)
class _Data:
    """What all tiles of a workload share; ``residual`` is a file, the constants are packed by each tile."""

    x: Path
    constants: Sequence[Single]
    residual: Path | None
    expected: Path


class CandidateBuilder:
    """Makes candidates for one target.

    Attributes:
        target: the row that code is generated for.
        threads: how many share a kernel's work.
        rotate_bytes: size of all weights of the network: how much passes through the caches between two uses.
        cpus: list of CPUs that programs are pinned to, as ``0,2-3``; empty: all they may use.
        effort: how thoroughly they are timed.
    """

    def __init__(
        self,
        target: Target,
        folder: Path,
        *,
        threads: int = 1,
        rotate_bytes: int = 16 << 20,
        cpus: str = "",
        effort: Effort | None = None,
    ) -> None:
        """Prepare; ``folder`` receives programs and data, and is the caller's to remove."""
        self.target = target
        self.threads = threads
        self.rotate_bytes = rotate_bytes
        self.cpus = cpus
        self.effort = effort or Effort()
        self._folder = folder
        self._linker = StaticLinker(target, folder)
        self._llvm = tvm.target.Target(dict(target.tvm))
        self._data: dict[Workload, _Data] = {}
        self._lock = Lock()
        self._serial = 0

    def build(self, w: Workload, tile: Tile) -> Candidate:
        """The program that measures a tile.

        Raises:
            CandidateFailed: the tile cannot be scheduled or compiled.
            ToolchainMissing, LinkError: there is no working C compiler.
        """
        with self._lock:
            self._serial += 1
            stem = self._folder / f"candidate_{self._serial}"
            data = self._data.get(w) or self._make_data(w)
        obj = stem.with_suffix(".o")
        try:
            with interrupt_later():
                kernel = registry.build_kernel(w, self.target, tile)
                lowered = lower_kernel(kernel.func, _SYMBOL, kernel.output_shape, kernel.store_at, self._llvm)
                build_object([lowered], self.target, obj)
        except ToolchainMissing:
            raise
        except Exception as error:  # TVM raises many unrelated types
            raise CandidateFailed(f"{tile} cannot be compiled: {str(error).strip()[-300:]}") from error
        program = self._linker.link(stem.with_suffix(".exe"), _SOURCES, [obj])
        obj.unlink()
        constants = [self._store(array) for array in registry.pack_constants(w, tile, data.constants)]
        buffers = [data.x, *constants, *([data.residual] if data.residual else [])]
        kinds = "i" + "c" * len(constants) + ("i" if data.residual else "")
        files = {str(index): path for index, path in enumerate(buffers)} | {"expected": data.expected}
        numbers = [
            *(lowered.extent, lowered.scratch_bytes, self.rotate_bytes, overread_bytes(w, tile)),
            *(self.effort.samples, self.effort.microseconds, TOLERANCE, self.effort.cooldown_ms, self.threads),
        ]
        return Candidate(program, files, (*map(str, numbers), self.cpus, kinds), timeout_s=_TIMEOUT_S)

    def _make_data(self, w: Workload) -> _Data:
        assert isinstance(w, Conv | Depthwise | DepthwisePointwise | Dense)
        random = np.random.default_rng(0)
        x, constants = random_image(w.x, random), random_constants(w, random)
        layout = None if isinstance(w, Dense) else w.residual
        residual = residual_file = None
        if layout is not None:
            residual = random_image(layout, random)
            residual_file = self._store(to_buffer(residual, layout, fill=math.nan, halo=math.nan))
        expected = expected_output(w, x, constants, residual)
        self._data[w] = data = _Data(
            self._store(to_buffer(x, w.x, fill=math.nan, halo=0.0)),
            constants,
            residual_file,
            self._store(to_buffer(expected, w.y, fill=math.nan, halo=math.nan)),
        )
        return data

    def _store(self, array: Single) -> Path:
        """A file with the bytes of an array, one for each content."""
        content = np.ascontiguousarray(array).data
        path = self._folder / f"{hashlib.blake2b(content, digest_size=16).hexdigest()}.bin"
        if not path.exists():
            path.write_bytes(content)
        return path


def read_timing(finished: Finished) -> Timing:
    """What a candidate's program reported.

    Raises:
        CandidateFailed: it crashed, ran out of time or memory, printed something else, or computed something else.
    """
    if failure := failure_of(finished):
        raise CandidateFailed(failure)
    timing = _parse(finished.stdout)
    if not timing.max_error <= TOLERANCE or not timing.samples_ns:
        raise CandidateFailed(f"computes something else: off by {timing.max_error:.1e} of the largest output")
    return timing


def failure_of(finished: Finished) -> str:
    """How a program failed, in words; empty if it ended well."""
    if finished.timed_out:
        return f"still ran after {finished.wall_s:.1f} s"
    if finished.returncode == 0:
        return ""
    how = f"signal {-finished.returncode}" if finished.returncode < 0 else f"status {finished.returncode}"
    if finished.returncode == -signal.SIGILL:
        how += ", as the CPU lacks an instruction of the target"
    return f"ended with {how}: {finished.stderr.strip()[-200:]}".rstrip(": ")


def _parse(stdout: str) -> Timing:
    try:
        values: Any = json.loads(stdout)
        samples = tuple(float(sample) for sample in values["samples_ns"])
        khz = values["frequency_khz"]
        frequency = None if khz is None else (int(khz[0]), int(khz[1]))
        error = float(values["max_error"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as problem:
        raise CandidateFailed(f"printed no result but {stdout.strip()[:100]!r}") from problem
    if not all(0 < sample < 1e15 for sample in samples):
        raise CandidateFailed("reported impossible times")
    return Timing(samples, error, frequency)
