"""What a kernel does, counted in vectors, and the cycles that a core needs for it when all data are in L1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from separable.targets.row import Target

_START = 12
"""Cycles between the end of one loop over sums and the first sum of the next: a branch that no predictor can know, the
first load (4 to 5 cycles) and the first sum (4)."""

_STORE = 1.5
"""What a store costs in loads: it needs an address as they do, and half as many stores as loads start in a cycle, but
the two wait for each other only now and then. Loops that spill show it: 0.49 stores and 1.06 loads for each
multiply-add take 1.83 cycles on a Zen 4, where the multiply-adds take 1."""

_OVERLAP, _OVERLAP_PHONE, _OVERLAP_IN_ORDER = 4.0, 2.0, 1.5
"""How well things go on side by side, as the exponent of :func:`side_by_side`.

Units of one core: 4, in program order 1.5. Multiply-adds and data from L2 and beyond: 4 on cores of servers and
desktops that hold 200 to 450 instructions under way and have an L3 within 50 cycles; 2 on big cores of phones, which
hold 128, at one multiply-add a cycle a hundred cycles' worth, with memory two or three hundred cycles away.
"""

_LOOP_INSTRUCTIONS = 1.05
"""Instructions of a loop of multiply-adds and loads, its own ones included, where the code is not known."""


@dataclass(frozen=True)
class Mix:
    """What an innermost loop of the code executes for each vector multiply-add.

    Attributes:
        loads: vectors and broadcast scalars loaded, operands in memory included.
        stores: vectors stored: spilled sums and operands, and where the loop holds the epilogue its results.
        instructions: all instructions.
        products: multiply-adds of one iteration.
        cycles: what the loop takes for each of them, all data in L1, where the core's rules of issue are known.
    """

    loads: float
    stores: float
    instructions: float
    products: int
    cycles: float | None = None


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
        loop_products: multiply-adds of one iteration of the loop over sums, by which it is found in the code.
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
    loop_products: int = 0
    tile_products: int = 0
    tile_stores: int = 0
    repeated: Literal["inputs", "constants", "nothing"] = "nothing"

    def __add__(self, other: Cost) -> Cost:
        """Both, one after the other; what cannot be added is the other's."""
        return replace(other, **{name: getattr(self, name) + getattr(other, name) for name in _SUMS})

    def times(self, count: int) -> Cost:
        """The same so many times, one after the other."""
        return replace(self, **{name: getattr(self, name) * count for name in _SUMS})


_SUMS = ("products", "operations", "loads", "stores", "chain", "tiles", "scattered", "l2_bytes")
"""What adds up; the rest describes a loop."""


def side_by_side(*cycles: float, power: float) -> float:
    """The cycles of what goes on at the same time: those of the slowest, and more if others are nearly as slow.

    The p-norm. A core that runs ahead of what waits hides what is half as long almost wholly (p = 4: 1.5 % are added);
    one that runs in program order waits with everything behind what is late.
    """
    return float(sum(c**power for c in cycles) ** (1 / power))


def with_data(core: float, data: float, target: Target) -> float:
    """Cycles of a kernel that needs ``core`` cycles in the core and ``data`` for the way of its data."""
    power = {"server": _OVERLAP, "big": _OVERLAP_PHONE, "little": _OVERLAP_IN_ORDER}[target.core_class]
    return side_by_side(core, data, power=power)


def core_cycles(cost: Cost, target: Target, mixes: Sequence[Mix] = ()) -> float:
    """Cycles of one core, all data in L1.

    The loops of multiply-adds take what their slowest unit takes: arithmetic, loads and stores, or issue. Around them
    are the ends of the register tiles: stores, activations, and the start of the next.

    Args:
        cost: what is done.
        target: the core.
        mixes: of the loops in the code, the most multiply-adds first; where there is none, loads are as ``cost`` says.
    """
    mix = _reduction(cost, mixes)
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
        power=_OVERLAP_IN_ORDER if target.in_order else _OVERLAP,
    )
    if mix is not None and mix.cycles is not None:
        loop = cost.products * mix.cycles
    ends = max(_moves(0, end_stores, target), operations / target.fma_per_cycle)
    return loop + ends + _START * cost.tiles + cost.scattered


def _reduction(cost: Cost, mixes: Sequence[Mix]) -> Mix | None:
    """The loop over sums. Winograd's transforms have loops of multiply-adds too, some of them longer."""
    expected = (mix for mix in mixes if mix.products == cost.loop_products)
    return next(expected, mixes[0] if mixes else None)


def _moves(loads: float, stores: float, target: Target) -> float:
    """Cycles between registers and L1."""
    return loads / target.loads_per_cycle + _STORE * stores / max(1.0, target.loads_per_cycle)
