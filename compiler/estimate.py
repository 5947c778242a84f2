"""How long a network will take on a CPU that is not there, from its row of the target table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Built, Phases, build_model


@dataclass(frozen=True)
class KernelEstimate:
    """One kernel call.

    Attributes:
        nodes: the ONNX nodes it computes.
        kernel: the compiled function.
        cycles: of all threads' clock, from its first to its last instruction.
        milliseconds: the same at the clock of the row.
        mult_adds: multiply-accumulates of what it computes.
    """

    nodes: tuple[str, ...]
    kernel: str
    cycles: float
    milliseconds: float
    mult_adds: int


@dataclass(frozen=True)
class Estimate:
    """One network on one CPU.

    Attributes:
        target: the target's name.
        threads: threads that share the work.
        ghz: clock, 10^9 cycles per second.
        milliseconds: of one inference.
        low: it will hardly take less.
        high: it will hardly take more.
        kernels: every kernel call in order.
    """

    target: str
    threads: int
    ghz: float
    milliseconds: float
    low: float
    high: float
    kernels: tuple[KernelEstimate, ...] = field(repr=False)


def estimate_model(
    model: Path, target: str = "native", threads: int = 1, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Estimate:
    """Estimate the latency of an ONNX file on a target, without code for it and without the device.

    Args:
        model: the ONNX file.
        target: a target name, as ``compile`` takes it.
        threads: threads that share the work, 1 or more.
        shapes: static shapes for inputs with symbolic dimensions, by input name.

    Raises:
        CompileError: the kinds in ``errors.py``.
    """
    options = CompileOptions(model, target=target, shapes=shapes or {}, threads=threads)
    return estimate_built(build_model(options, Phases()), threads)


def estimate_built(built: Built, threads: int = 1) -> Estimate:
    """The same for a model that is scheduled already."""
    target = built.target
    kernels = []
    for step, kernel in zip(built.program.steps, built.scheduled.calls, strict=True):
        nbytes = sum(value.tensor.nbytes for value in (*step.inputs, step.output))
        nbytes += sum(array.nbytes for array in step.constants)
        flops = 2 * kernel.workload.macs
        cycles = max(flops / target.flops_per_cycle, nbytes / target.l2_bytes_per_cycle) / threads
        kernels.append(KernelEstimate(step.nodes, kernel.name, cycles, cycles / target.ghz / 1e6, kernel.workload.macs))
    milliseconds = sum(kernel.milliseconds for kernel in kernels)
    return Estimate(
        target.name, threads, target.ghz, milliseconds, 0.7 * milliseconds, 1.5 * milliseconds, tuple(kernels)
    )
