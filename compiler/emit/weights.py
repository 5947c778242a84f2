"""Packed constants -> one read-only section of the library, mapped from the file and shared by all who load it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from separable.schedules.kernel import Array
from separable.schedules.tensor import ALIGNMENT

SYMBOL = "separable_weights"


@dataclass(frozen=True)
class WeightBlob:
    """All constants of a model.

    Attributes:
        data: the bytes.
        offsets: byte offset of every constant of every step.
    """

    data: bytes
    offsets: list[list[int]]


def pack_weights(constants: Sequence[Sequence[Array]]) -> WeightBlob:
    """Concatenate constants, 64-byte aligned.

    Equal ones are stored once, and so are those that only differ in how many zeros fill them up at their end: kernels
    for several CPUs take the same weights and reach differently far beyond them.
    """
    contents = [[array.tobytes() for array in step] for step in constants]
    keys = [[content.rstrip(b"\0") for content in step] for step in contents]
    longest: dict[bytes, bytes] = {}
    for key, content in zip(chain(*keys), chain(*contents), strict=True):
        longest[key] = max(longest.get(key, b""), content, key=len)
    data = bytearray()
    known: dict[bytes, int] = {}
    offsets: list[list[int]] = []
    for step in keys:
        offsets.append([])
        for key in step:
            if key not in known:
                data.extend(bytes(-len(data) % ALIGNMENT))
                known[key] = len(data)
                data.extend(longest[key])
            offsets[-1].append(known[key])
    return WeightBlob(bytes(data), offsets)


def write_weights(blob: WeightBlob, folder: Path) -> Path:
    """Write the bytes and an assembly file that includes them; return the assembly file."""
    binary, assembly = folder / "weights.bin", folder / "weights.S"
    binary.write_bytes(blob.data or bytes(ALIGNMENT))
    assembly.write_text(
        '.section .rodata.separable, "a", %progbits\n'
        f".balign {ALIGNMENT}\n.globl {SYMBOL}\n.hidden {SYMBOL}\n{SYMBOL}:\n"
        f'.incbin "{binary}"\n'
        '.section .note.GNU-stack, "", %progbits\n'
    )
    return assembly
