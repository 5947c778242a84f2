"""The register tile that every small matrix product shares: pixels x channel vectors, with their operands.

x86 multiplies by a scalar that the load itself broadcasts: a pixel takes a register for as long as it meets the weight
vectors, which stay. Arm multiplies by any lane of a vector: one load brings a pixel's channels for as many steps as the
vector has lanes, the pixels stay, and the weight vectors come and go.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm.s_tir.schedule import LoopRV

from separable.targets.row import Target

_MOST_HALF_PIXELS = 10
"""Products of float16 take a lane of the lower half of the registers only; with more pixels LLVM moves them around."""


def registers_needed(pixels: int, vectors: int, target: Target) -> int:
    """Vector registers that a register tile takes.

    Its sums, a vector of weights for each of its channel vectors, and one broadcast pixel. Where products take a lane
    of a vector, each pixel stays in a register for as many steps as that has lanes, and the weights come one after the
    other: two registers take turns; in program order they are one more than the vectors, so that a load has time.
    """
    sums = pixels * vectors
    if not target.lane_operands:
        return sums + vectors + 1
    if target.element_bits == 16 and pixels > _MOST_HALF_PIXELS:
        return target.vector_registers + 1
    return sums + pixels + (vectors + 1 if target.in_order else 2)


def loads_per_step(pixels: float, vectors: int, target: Target) -> float:
    """Vectors that one step over k loads: each pixel and each weight vector once for all products they are in.

    x86 broadcasts a pixel in the load itself; where products take a lane of a vector, a load brings several steps'.
    """
    return (pixels / target.lanes if target.lane_operands else pixels) + vectors


def straight_cycles(operations: int, loaded: int, stored: int, target: Target) -> float:
    """Cycles of straight code over so many vectors; half of the moves hide behind arithmetic."""
    moves = loaded / target.loads_per_cycle + stored / min(1, target.loads_per_cycle)
    return operations / target.fma_per_cycle + moves / 2


def register_order(k: LoopRV, pixels: Sequence[LoopRV], vectors: LoopRV, lane_operands: bool) -> list[LoopRV]:
    """The loops of a register tile, outermost first.

    A broadcast pixel meets all weight vectors, then makes room for the next. Where products take a lane of a vector,
    the pixels stay in registers and a weight vector makes room instead.
    """
    return [k, vectors, *pixels] if lane_operands else [k, *pixels, vectors]
