"""The two ways an activation lies in memory: plain (as ONNX has it) and blocked (NCHW[v]c with a halo)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

DTYPE_BYTES = {"float32": 4, "int32": 4, "int64": 8, "bool": 1, "uint8": 1, "int8": 1, "float16": 2, "float64": 8}

LINE_BYTES = 64
"""A line of every cache of the target table."""

MAX_ELEMENTS = (1 << 31) - 1
"""Of a tensor, padding included: kernels address them with 32-bit indices."""

ALIGNMENT = 64
"""Of arena, weights and scratch, as SEPARABLE_ALIGNMENT of runtime/model.h, in bytes: a line, and the widest vector."""


@dataclass(frozen=True)
class Halo:
    """Rows and columns of zeros around a blocked activation, so that a padded convolution reads without a branch."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def union(self, other: Halo) -> Halo:
        """The smallest halo that holds both."""
        return Halo(
            max(self.top, other.top),
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def __bool__(self) -> bool:
        return any((self.top, self.left, self.bottom, self.right))


@dataclass(frozen=True)
class Plain:
    """A dense row-major tensor.

    Attributes:
        shape: dimensions, outermost first.
        dtype: numpy's name of the element type.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class Blocked:
    """Images [images, channels, height, width] as ``[block][n][y][x][c]`` with ``lanes`` channels in a block.

    The last block is filled up to ``lanes`` channels; what the additional ones hold is not defined, and nobody may
    let them influence a real channel. Blocks come before images, so that a slice of the channels is one piece of
    memory; each image has a halo of its own.

    Attributes:
        halo: the zeros around each image.
        dtype: ``float32`` or ``float16``.
    """

    channels: int
    height: int
    width: int
    lanes: int
    halo: Halo = Halo()
    images: int = 1
    dtype: str = "float32"

    @property
    def blocks(self) -> int:
        """Number of channel blocks."""
        return -(-self.channels // self.lanes)

    @property
    def planes(self) -> int:
        """Number of pairs of a channel block and an image: plane ``block * images + n``."""
        return self.blocks * self.images

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The buffer's shape [planes, height + halo, width + halo, lanes]."""
        halo = self.halo
        return (
            self.planes,
            self.height + halo.top + halo.bottom,
            self.width + halo.left + halo.right,
            self.lanes,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer, halo included."""
        return math.prod(self.shape) * DTYPE_BYTES[self.dtype]

    @property
    def pixel_bytes(self) -> int:
        """Bytes from one pixel of a block to the next."""
        return self.lanes * DTYPE_BYTES[self.dtype]


Tensor: TypeAlias = Plain | Blocked
