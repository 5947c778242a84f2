"""Where every intermediate lies: one arena, offsets fixed at compile time, by liveness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from separable.compiler.program import Program, Value
from separable.schedules.tensor import ALIGNMENT


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets into the arena.

    Attributes:
        offsets: byte offset of each root value that lies in the arena.
        arena_bytes: size of the arena.
        unshared_bytes: what the arena would take if no two values shared memory.
    """

    offsets: Mapping[Value, int]
    arena_bytes: int
    unshared_bytes: int


def plan_memory(program: Program, overread: Mapping[Value, int]) -> MemoryPlan:
    """Place the values that are neither inputs nor outputs of the model.

    Each at the lowest offset where no value lies that is alive at the same time, in the order that gives the smallest
    arena: the largest first, or the first computed, or the longest needed.

    Args:
        program: the steps in execution order.
        overread: bytes beyond its end up to which some kernel may read (and ignore) a root value.
    """
    sizes, lifetimes = _sizes_and_lifetimes(program)
    orders: tuple[Callable[[Value], tuple[int, ...]], ...] = (
        lambda value: (-sizes[value], *lifetimes[value]),
        lambda value: (*lifetimes[value], -sizes[value]),
        lambda value: (-sizes[value] * (lifetimes[value][1] - lifetimes[value][0]), *lifetimes[value]),
    )
    plans = []
    for order in orders:
        offsets = _place(sorted(lifetimes, key=order), sizes, lifetimes)
        end = max((offset + sizes[value] + overread.get(value, 0) for value, offset in offsets.items()), default=0)
        plans.append((_aligned(end), offsets))
    arena_bytes, offsets = min(plans, key=lambda plan: plan[0])
    return MemoryPlan(offsets, arena_bytes, sum(_aligned(sizes[value]) for value in offsets))


def peak_bytes(program: Program) -> int:
    """Bytes of all intermediates alive during the step that needs most: no arena can be smaller."""
    sizes, lifetimes = _sizes_and_lifetimes(program)
    return max(
        (
            sum(sizes[value] for value, (first, last) in lifetimes.items() if first <= index <= last)
            for index in range(len(program.steps))
        ),
        default=0,
    )


def _sizes_and_lifetimes(program: Program) -> tuple[dict[Value, int], dict[Value, tuple[int, int]]]:
    """Bytes, and first and last step, of each root value that lies in the arena."""
    external = {value.root for value in (*program.inputs, *program.outputs)}
    sizes: dict[Value, int] = {}
    for value in program.values():
        # A blocked view of a plain 1x1 image is longer than the image: its last block is filled up.
        sizes[value.root] = max(sizes.get(value.root, 0), value.byte_offset + value.tensor.nbytes)
    lifetimes: dict[Value, tuple[int, int]] = {}
    for index, step in enumerate(program.steps):
        for root in (value.root for value in (step.output, *step.inputs)):
            if root not in external:
                lifetimes[root] = (lifetimes.get(root, (index, index))[0], index)
    return sizes, lifetimes


def _place(
    order: Sequence[Value], sizes: Mapping[Value, int], lifetimes: Mapping[Value, tuple[int, int]]
) -> dict[Value, int]:
    """An offset for each value in turn: the lowest that is free for as long as it lives."""
    placed: dict[Value, int] = {}
    for value in order:
        first, last = lifetimes[value]
        neighbours = sorted(
            (offset, offset + sizes[other])
            for other, offset in placed.items()
            if lifetimes[other][0] <= last and first <= lifetimes[other][1]
        )
        offset = 0
        for start, stop in neighbours:
            if offset + sizes[value] <= start:
                break
            offset = max(offset, _aligned(stop))
        placed[value] = offset
    return placed


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
