"""Program -> kernels: every distinct workload is scheduled and lowered once, its weights packed to suit its tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from separable.compiler._tvm import tvm
from separable.compiler.emit.kernel import LoweredKernel, lower_kernel
from separable.compiler.interrupts import interrupt_later
from separable.compiler.program import Program, Value
from separable.schedules import registry
from separable.schedules.call import Call
from separable.schedules.kernel import Array
from separable.schedules.overread import overread_bytes
from separable.schedules.workload import Workload
from separable.targets.row import Target


@dataclass(frozen=True)
class ScheduledKernel:
    """A kernel and how it was scheduled.

    Attributes:
        name: its C symbol.
        workload: what it computes.
        tile: the parameters of its schedule.
        source: where the tile comes from: ``default`` (computed from the target row), ``record`` (measured for this
            workload), ``nearest`` (measured for a similar one) or ``given``.
        lowered: the function for LLVM, or the call of a function of the runtime.
        text: the scheduled TIR as script, or that call.
    """

    name: str
    workload: Workload
    tile: object
    source: str
    lowered: LoweredKernel | Call
    text: str


@dataclass(frozen=True)
class Scheduled:
    """A program with its kernels.

    Attributes:
        kernels: the distinct kernels, in the order of their first use.
        calls: the kernel of each step.
        constants: the packed constants of each step.
        overread: bytes beyond its end up to which a root value may be read.
    """

    kernels: list[ScheduledKernel]
    calls: list[ScheduledKernel]
    constants: list[list[Array]]
    overread: dict[Value, int]

    @property
    def scratch_bytes(self) -> int:
        """Scratch memory that one thread needs."""
        return max((kernel.lowered.scratch_bytes for kernel in self.kernels), default=0)


def schedule_program(
    program: Program,
    target: Target,
    advance: Callable[[int, int], None],
    tiles: Mapping[Workload, object] | None = None,
    recorded: Callable[[Workload], tuple[object, str] | None] = lambda workload: None,
    suffix: str = "",
) -> Scheduled:
    """Schedule every step.

    Args:
        program: the steps, with their final layouts.
        target: the row that default schedules are computed from.
        advance: called with (steps done, steps in total).
        tiles: tiles to use instead of the defaults, each a ``Tile`` of its workload's schedule file.
        recorded: the tile of a workload without one in ``tiles``, and its source; None for the default.
        suffix: of the kernels' names, where others for another CPU are linked with them.
    """
    tiles = tiles or {}
    kernels: dict[Workload, ScheduledKernel] = {}
    numbers: Counter[str] = Counter()
    constants: list[list[Array]] = []
    overread: dict[Value, int] = {}
    llvm = tvm.target.Target(dict(target.tvm))
    for index, step in enumerate(program.steps):
        if step.workload not in kernels:
            kind = registry.kind(step.workload)
            name = f"{kind}_{numbers[kind]}{suffix}"
            numbers[kind] += 1
            call = registry.call_of(step.workload)
            if call is not None:
                kernels[step.workload] = ScheduledKernel(name, step.workload, call, "default", call, str(call))
            else:
                given, source = _choose(step.workload, tiles, recorded)
                with interrupt_later():  # TVM calls Python from C++, and makes an error without a name of Ctrl-C
                    kernel = registry.build_kernel(step.workload, target, given)
                    lowered = lower_kernel(kernel.func, name, kernel.output_shape, kernel.store_at, llvm)
                kernels[step.workload] = ScheduledKernel(
                    name, step.workload, kernel.tile, source, lowered, kernel.func.script()
                )
        scheduled = kernels[step.workload]
        constants.append(registry.pack_constants(step.workload, scheduled.tile, step.constants))
        beyond = overread_bytes(step.workload, scheduled.tile)
        for value in step.inputs:
            overread[value.root] = max(overread.get(value.root, 0), beyond)
        advance(index + 1, len(program.steps))
    return Scheduled(list(kernels.values()), [kernels[step.workload] for step in program.steps], constants, overread)


def _choose(
    w: Workload, tiles: Mapping[Workload, object], recorded: Callable[[Workload], tuple[object, str] | None]
) -> tuple[object | None, str]:
    """A workload's tile, None for the default, and where it comes from."""
    if w in tiles:
        return tiles[w], "given"
    return recorded(w) or (None, "default")
