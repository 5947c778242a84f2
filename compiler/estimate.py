"""How long a network will take on a CPU that need not be there, from its row of the target table.

Every kernel costs the larger of two, and a little of the smaller: the cycles of the core with all data in L1
(``schedules/cost.py``), and the cycles to bring what it touches from where it lies (``reuse.py``). docs/estimate.md
argues each constant and shows how far the estimates are from measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from separable.compiler.emit.c_source import step_threads
from separable.compiler.emit.kernel import LoweredKernel
from separable.compiler.emit.listing import mixes_of
from separable.compiler.emit.object_file import assembly
from separable.compiler.errors import NoEstimate
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Built, Phases, Progress, build_model, resolve_target
from separable.compiler.report import layers_of, total_mult_adds
from separable.compiler.reuse import Touch, reuse_distances
from separable.schedules.cost import Cost, Mix, core_cycles, with_data
from separable.schedules.costs import cost_of
from separable.targets.row import Target

_STEP_SECONDS = 0.4e-6
"""To hand out a step to threads and learn that it is done: cache lines that go from core to core and back."""

_CORE_ERROR, _DATA_ERROR = 0.15, 0.5
"""How far the cycles of the core, and those of data on their way, may be from the truth."""

_MEASURED = ("x86_64",)
"""Architectures whose estimates were compared with measurements of ours."""


@dataclass(frozen=True)
class KernelEstimate:
    """One kernel call.

    Attributes:
        nodes: the ONNX nodes it computes.
        kernel: the compiled function.
        milliseconds: from its first to its last instruction on all threads.
        cycles: the same at the clock of the row.
        core_cycles: what it would take with all data in L1.
        data_cycles: what the way of its data from L2, L3 and memory takes.
        bound: which of the two is longer: ``core``, or the level that takes the longest.
        mult_adds: multiply-accumulates of what it computes.
    """

    nodes: tuple[str, ...]
    kernel: str
    milliseconds: float
    cycles: float
    core_cycles: float
    data_cycles: float
    bound: str
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
        peak_gflops: what the FMA units of the threads' cores reach, 10^9 operations per second.
        mult_adds: multiply-accumulates of convolutions and fully connected layers.
        measured: whether estimates for CPUs of this kind were compared with measurements.
    """

    target: str
    threads: int
    ghz: float
    milliseconds: float
    low: float
    high: float
    kernels: tuple[KernelEstimate, ...] = field(repr=False)
    peak_gflops: float
    mult_adds: int
    measured: bool


def estimate_model(
    model: Path,
    target: str = "native",
    threads: int = 1,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    code: bool = True,
    progress: Progress | None = None,
) -> Estimate:
    """Estimate the latency of an ONNX file on a target.

    Args:
        model: the ONNX file.
        target: a target name, as ``compile`` takes it.
        threads: threads that share the work, 1 or more.
        shapes: static shapes for inputs with symbolic dimensions, by input name.
        code: generate the code of the kernels and count what its loops execute: some seconds more, and true to what the
            code generator made of a schedule.
        progress: told which phase is under way.

    Raises:
        NoEstimate: the target's row has no clock.
        CompileError: the other kinds in ``errors.py``.
    """
    check_rates(resolve_target(target))
    phases = Phases(progress)
    built = build_model(CompileOptions(model, target=target, shapes=shapes or {}, threads=threads), phases)
    mixes = None
    if code:
        with phases.phase("generate code") as advance:
            mixes = code_mixes(built, advance)
    return estimate_built(built, threads, mixes=mixes)


def check_rates(machine: Target) -> None:
    """See that a time can be estimated for a row.

    Raises:
        NoEstimate: it has no clock, because its rates are those of no core in particular.
    """
    if not machine.ghz:
        raise NoEstimate(
            f"no time can be estimated for {machine.name}: the numbers of its row are ratios that serve all its cores; "
            "name a core, as `separable targets` lists them"
        )


def code_mixes(
    built: Built, advance: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, tuple[Mix, ...]]:
    """The instruction mixes of every kernel's loops of multiply-adds, by its name.

    Args:
        built: the scheduled model.
        advance: called with (kernels done, kernels in total).
    """
    mixes = {}
    for index, kernel in enumerate(built.scheduled.kernels):
        if isinstance(kernel.lowered, LoweredKernel):
            mixes[kernel.name] = mixes_of(assembly([kernel.lowered], built.target), built.target)
        advance(index + 1, len(built.scheduled.kernels))
    return mixes


def estimate_built(
    built: Built, threads: int = 1, machine: Target | None = None, mixes: Mapping[str, Sequence[Mix]] | None = None
) -> Estimate:
    """The same for a model that is scheduled already.

    Args:
        built: the scheduled model.
        threads: threads that share the work, 1 or more.
        machine: the row of the CPU that runs the code; that of the code itself if None.
        mixes: what :func:`code_mixes` found in the code.

    Raises:
        NoEstimate: the row of the CPU has no clock, or the model computes in float16.
    """
    machine = machine or built.target
    check_rates(machine)
    if built.precision != "fp32":
        raise NoEstimate(f"no time can be estimated for a model in {built.precision}, only for one in fp32")
    costs = [cost_of(kernel.workload, kernel.tile, built.target) for kernel in built.scheduled.calls]
    sizes = [[int(array.nbytes) for array in constants] for constants in built.scheduled.constants]
    touched = reuse_distances(built.program, sizes, [cost.repeated for cost in costs], built.plan)
    kernels = []
    for step, kernel, cost, touches, constants in zip(
        built.program.steps, built.scheduled.calls, costs, touched, built.scheduled.constants, strict=True
    ):
        at_once = min(threads, step_threads(step, constants, built.target), kernel.lowered.extent)
        core = core_cycles(cost, machine, (mixes or {}).get(kernel.name, ())) * _largest_share(
            kernel.lowered.extent, at_once
        )
        levels = data_cycles(cost, touches, at_once, threads, machine)
        data = sum(levels.values())
        cycles = with_data(core, data, machine)
        if at_once > 1:
            cycles += _STEP_SECONDS * machine.ghz * 1e9
        kernels.append(
            KernelEstimate(
                step.nodes,
                kernel.name,
                cycles / machine.ghz / 1e6,
                cycles,
                core,
                data,
                "core" if core >= data else max(levels, key=levels.__getitem__),
                kernel.workload.macs,
            )
        )
    mult_adds = total_mult_adds(layers_of(built.program, built.scheduled))
    return _total(built.target.name, threads, machine, kernels, mult_adds)


def _total(name: str, threads: int, machine: Target, kernels: Sequence[KernelEstimate], mult_adds: int) -> Estimate:
    """The sum and its bounds.

    The way of the data may not be hidden at all on rows that were never measured, and where other threads wrote them:
    how fast a core gets lines that lie in another one no source tells.
    """
    milliseconds = sum(kernel.milliseconds for kernel in kernels)

    def changed(core: float, data: float, hidden: bool = True) -> float:
        cycles = sum(
            (with_data if hidden else _one_after_the_other)(
                kernel.core_cycles * core, kernel.data_cycles * data, machine
            )
            - with_data(kernel.core_cycles, kernel.data_cycles, machine)
            for kernel in kernels
        )
        return milliseconds + cycles / machine.ghz / 1e6

    low = changed(1 - _CORE_ERROR, 1 - _DATA_ERROR)
    measured = machine.arch in _MEASURED
    high = changed(1 + _CORE_ERROR, 1 + _DATA_ERROR, hidden=measured and threads == 1)
    peak = threads * machine.flops_per_cycle * machine.ghz
    return Estimate(name, threads, machine.ghz, milliseconds, low, high, tuple(kernels), peak, mult_adds, measured)


def _one_after_the_other(core: float, data: float, machine: Target) -> float:
    return core + data


def _largest_share(extent: int, threads: int) -> float:
    """The part of a step's items for which the last thread keeps the step from ending.

    Threads take items as they get to them; they begin and end apart by half an item on average.
    """
    return 1.0 if threads == 1 else min(1.0, (extent / threads + 0.5) / extent)


def data_cycles(cost: Cost, touches: Sequence[Touch], at_once: int, threads: int, machine: Target) -> dict[str, float]:
    """Cycles that data take on their way, by the level that they come from.

    A line that is written must be read first; that it goes back in the end costs time only where memory is the limit.
    How much of a cache is free for us nobody knows: the part that is found falls from all to nothing between a quarter
    and three quarters of its size.

    Args:
        cost: of the kernel.
        touches: what it touches, and how long ago that was touched before.
        at_once: threads that share this step.
        threads: threads that share the others.
        machine: the row of the CPU.
    """
    memory = min(machine.memory_gb_per_s * at_once, machine.chip_gb_per_s) / at_once / machine.ghz
    l2_bytes = machine.l2_bytes * machine.l2_cores / min(threads, machine.l2_cores)
    moved = {"L2": cost.l2_bytes, "L3": 0.0, "memory": 0.0}
    for touch in touches:
        beyond_l1 = _missing(touch.distance, machine.l1_bytes)
        beyond_l2 = _missing(touch.distance, l2_bytes)
        if threads > 1 and not touch.constant and machine.l2_cores < threads:
            # As likely as not another core has it in its own caches.
            beyond_l2 = max(beyond_l2, 1 - 1 / threads)
        beyond_l3 = _missing(touch.distance, machine.l3_bytes) if machine.l3_bytes else beyond_l2
        moved["L2"] += touch.nbytes * max(0.0, beyond_l1 - beyond_l2)
        moved["L3"] += touch.nbytes * max(0.0, beyond_l2 - beyond_l3)
        moved["memory"] += touch.nbytes * (2 if touch.written else 1) * min(beyond_l2, beyond_l3)
    # Cores that have an L2 together have its bus together; the row's rate is half of that.
    l2_rate = machine.l2_bytes_per_cycle * min(1.0, 2 / min(at_once, machine.l2_cores))
    rates = {"L2": l2_rate, "L3": machine.l3_bytes_per_cycle or 1.0, "memory": memory}
    return {level: nbytes / rates[level] / at_once for level, nbytes in moved.items()}


def _missing(distance: int, size: float) -> float:
    """What part of data that were touched so many bytes ago a cache has lost."""
    return min(1.0, max(0.0, (distance - size / 4) / (size / 2)))
