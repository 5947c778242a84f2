"""Where every intermediate lies: one arena, offsets fixed at compile time, by liveness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from separable.compiler.program import Program, Value

ALIGNMENT = 64


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

    The largest first, each at the lowest offset where no value lies that is alive at the same time.

    Args:
        program: the steps in execution order.
        overread: bytes beyond its end up to which some kernel may read (and ignore) a root value.
    """
    sizes: dict[Value, int] = {}
    for value in program.values():
        # A blocked view of a plain 1x1 image is longer than the image: its last block is filled up.
        sizes[value.root] = max(sizes.get(value.root, 0), value.byte_offset + value.tensor.nbytes)
    external = {value.root for value in (*program.inputs, *program.outputs)}
    lifetimes: dict[Value, tuple[int, int]] = {}
    for index, step in enumerate(program.steps):
        for value in (step.output, *step.inputs):
            first, _ = lifetimes.get(value.root, (index, index))
            lifetimes[value.root] = (first, index)
    placed: dict[Value, int] = {}
    arena_bytes = 0
    for value in sorted((v for v in lifetimes if v not in external), key=lambda v: (-sizes[v], lifetimes[v])):
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
        arena_bytes = max(arena_bytes, offset + sizes[value] + overread.get(value, 0))
    return MemoryPlan(placed, _aligned(arena_bytes), sum(_aligned(sizes[value]) for value in placed))


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
