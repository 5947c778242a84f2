"""Where data lies when a kernel asks for it: reuse distances over one inference after the other.

A line that was touched last before d bytes of other data is in every cache that holds more than d bytes. Activations
lie where the memory plan puts them, so a kernel may find the place it writes to cold although it never wrote there, and
weights were last used one inference ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from separable.compiler.plan_memory import MemoryPlan
from separable.compiler.program import Program, Value

_CHUNK = 16 * 1024
"""Bytes that are followed as one."""


@dataclass(frozen=True)
class Touch:
    """A piece of memory that a step reads or writes for the first time in that step.

    Attributes:
        nbytes: its size.
        distance: bytes of other data touched since it was touched last.
        written: whether it is of the step's output.
        constant: whether it is of the step's constants.
    """

    nbytes: int
    distance: int
    written: bool
    constant: bool


def reuse_distances(
    program: Program, constants: Sequence[Sequence[int]], repeated: Sequence[str], plan: MemoryPlan
) -> tuple[tuple[Touch, ...], ...]:
    """What every step touches, in the steady state of inferences that follow each other.

    Args:
        program: the steps in execution order.
        constants: bytes of each constant of each step.
        repeated: what the loops of each step pass over again and again: ``inputs``, ``constants`` or ``nothing``.
        plan: where activations lie in the arena.
    """
    stack = _Stack()
    for _ in range(2):
        result = []
        for first, rest in _pieces(program, constants, repeated, plan):
            result.append(tuple(stack.touch(piece) for piece in (*first, *rest)))
            for piece in first:
                stack.touch(piece)
    return tuple(result)


@dataclass(frozen=True)
class _Piece:
    """A chunk of an address space: of the arena, or of an input, an output or a constant."""

    space: object
    index: int
    nbytes: int
    written: bool = False
    constant: bool = False


class _Stack:
    """Pieces of memory, the one touched last at the end."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[object, int], int] = {}

    def touch(self, piece: _Piece) -> Touch:
        key = (piece.space, piece.index)
        distance = 0
        if key in self._sizes:
            for other in reversed(self._sizes):
                if other == key:
                    break
                distance += self._sizes[other]
        size = max(self._sizes.pop(key, 0), piece.nbytes)
        self._sizes[key] = size
        return Touch(piece.nbytes, distance, piece.written, piece.constant)


def _pieces(
    program: Program, constants: Sequence[Sequence[int]], repeated: Sequence[str], plan: MemoryPlan
) -> Iterator[tuple[list[_Piece], list[_Piece]]]:
    """What each step passes over again and again, and the rest, its operands side by side."""
    for number, step in enumerate(program.steps):
        inputs = [list(_chunks(value, plan)) for value in step.inputs]
        weights = [
            [_Piece((number, index), i, n, constant=True) for i, n in _cut(0, size)]
            for index, size in enumerate(constants[number])
        ]
        output = [replace(piece, written=True) for piece in _chunks(step.output, plan)]
        match repeated[number]:
            case "inputs":
                yield _side_by_side(inputs), _side_by_side([*weights, output])
            case "constants":
                yield _side_by_side(weights), _side_by_side([*inputs, output])
            case _:
                yield [], _side_by_side([*inputs, *weights, output])


def _side_by_side(operands: Sequence[Sequence[_Piece]]) -> list[_Piece]:
    """All pieces in the order in which a kernel that walks through every operand once comes to them."""
    places = [
        ((index + 0.5) / len(operand), number, piece)
        for number, operand in enumerate(operands)
        for index, piece in enumerate(operand)
    ]
    return [piece for _, _, piece in sorted(places, key=lambda place: place[:2])]


def _chunks(value: Value, plan: MemoryPlan) -> Iterator[_Piece]:
    root = value.root
    space: object = "arena" if root in plan.offsets else root
    start = plan.offsets.get(root, 0) + value.byte_offset
    for index, nbytes in _cut(start, value.tensor.nbytes):
        yield _Piece(space, index, nbytes)


def _cut(start: int, size: int) -> Iterator[tuple[int, int]]:
    """Number and bytes of each chunk of a range."""
    stop = start + size
    for index in range(start // _CHUNK, -(-stop // _CHUNK)):
        yield index, min(stop, (index + 1) * _CHUNK) - max(start, index * _CHUNK)
