"""What a kernel does, counted in vectors, and the cycles that a core needs for it when all data are in L1."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from separable.targets.row import Target

_START = 12
"""Cycles between the end of one loop over sums and the first sum of the next: a branch that no predictor can know, the
first load (4 to 5 cycles) and the first sum (4)."""

_OVERLAP, _OVERLAP_IN_ORDER = 4.0, 1.5
"""How well units work side by side, as the exponent of :func:`side_by_side`."""

_LOOP_INSTRUCTIONS = 1.05
"""Instructions of a loop of multiply-adds and loads, its own ones included, where the code is not known."""


@dataclass(frozen=True)
class Mix:
    """What the innermost loop of the code executes for each vector multiply-add.

    Attributes:
        loads: vectors and broadcast scalars loaded, operands in memory included.
        stores: vectors stored: spilled sums and operands, and where the loop holds the epilogue its results.
        instructions: all instructions.
        products: multiply-adds of one iteration.
    """

    loads: float
    stores: float
    instructions: float
    products: int


@dataclass(frozen=True)
class Cost:
    """What is done for a whole layer by one thread.

    Attributes:
        products: vector multiply-adds.
        operations: other vector arithmetic.
        loads: vectors and broadcast scalars loaded.
        stores: vectors stored.
        chain: cycles that sums need because each waits for the one before it.
        tiles: how often a loop over sums begins.
        scattered: values moved one by one.
        l2_bytes: what the kernel fetches from L2 although it has been in L1 before.
        tile_products: multiply-adds of one register tile from its first to its last; 0 if there are none.
        tile_stores: results of one register tile; 0 where the loop that sums up stores them.
        repeated: what the outer loops pass over again and again, while the rest comes by once.
    """

    products: float = 0
    operations: float = 0
    loads: float = 0
    stores: float = 0
    chain: float = 0
    tiles: float = 0
    scattered: float = 0
    l2_bytes: float = 0
    tile_products: int = 0
    tile_stores: int = 0
    repeated: Literal["inputs", "constants", "nothing"] = "nothing"

    def __add__(self, other: Cost) -> Cost:
        """Both, one after the other; what cannot be added is the other's."""
        added = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if not field.name.startswith("tile_") and field.name != "repeated"
        }
        return Cost(
            **added, tile_products=other.tile_products, tile_stores=other.tile_stores, repeated=other.repeated
        )


def side_by_side(*cycles: float, in_order: bool) -> float:
    """The cycles of units that work at the same time: those of the slowest, and more if others are nearly as slow.

    The p-norm. A core that runs ahead of what waits hides what is half as long almost wholly (p = 4: 1.5 % of it shows);
    one that runs in program order waits with everything behind what is late.
    """
    power = _OVERLAP_IN_ORDER if in_order else _OVERLAP
    return float(sum(c**power for c in cycles) ** (1 / power))


def core_cycles(cost: Cost, target: Target, mix: Mix | None = None) -> float:
    """Cycles of one core, all data in L1.

    The loops of multiply-adds take what their slowest unit takes: arithmetic, loads and stores, or issue. Around them
    are the ends of the register tiles: stores, activations, and the start of the next.

    Args:
        cost: what is done.
        target: the core.
        mix: what the code does for each multiply-add, if it is known; otherwise as ``cost`` says.
    """
    loads, stores, instructions = cost.loads, 0.0, (cost.products + cost.loads) * _LOOP_INSTRUCTIONS
    end_stores, operations = cost.stores, cost.operations
    if mix is not None and cost.products:
        loads, stores, instructions = (cost.products * n for n in (mix.loads, mix.stores, mix.instructions))
        if not cost.tile_stores or mix.products >= cost.tile_products:
            end_stores = 0.0
    loop = side_by_side(
        max(cost.products / target.fma_per_cycle, cost.chain),
        _moves(loads, stores, target),
        instructions / target.issue_per_cycle,
        in_order=target.in_order,
    )
    ends = max(_moves(0, end_stores, target), operations / target.fma_per_cycle)
    return loop + ends + _START * cost.tiles + cost.scattered


def _moves(loads: float, stores: float, target: Target) -> float:
    """Cycles between registers and L1. A store takes the time of two loads: address and data, or both halves."""
    return loads / target.loads_per_cycle + 2 * stores / max(1.0, target.loads_per_cycle)
