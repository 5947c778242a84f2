"""Kernels that are C functions of ``runtime/ops``: loops that depend on data, which TE cannot express."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A call of such a function, ``function(pointers..., settings..., scratch, begin, end)``.

    Attributes:
        source: the file in ``runtime/ops``, without its ending; a header of the same name declares the function.
        settings: C expressions, the same in every call.
        pointers: how many buffers it takes; the last one is the output.
        extent: how many independent items there are.
        scratch_bytes: scratch memory one thread needs.
    """

    source: str
    settings: tuple[str, ...]
    pointers: int
    extent: int
    scratch_bytes: int = 0

    @property
    def function(self) -> str:
        """The C function."""
        return f"separable_{self.source}"

    def __str__(self) -> str:
        return f"{self.function}({', '.join(self.settings)})"


def c_float(value: float) -> str:
    """A float32 constant in C, exactly."""
    return f"{float(value).hex()}f"
