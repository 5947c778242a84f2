"""What there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from separable.compiler.errors import CompileError


class FamilyError(CompileError):
    """A family cannot be read, or none of it fits; the message says what to do."""


@dataclass(frozen=True)
class Accuracy:
    """How good a network is.

    Attributes:
        value: in percent, or whatever the family's accuracies are; more is better.
        source: where the number is from, as ``Table 6``.
        interpolated: whether it is no measurement, but between those of other networks.
    """

    value: float
    source: str
    interpolated: bool = False

    def __str__(self) -> str:
        return f"{'~' if self.interpolated else ''}{self.value:g}"


@dataclass(frozen=True)
class Member:
    """One network of a family.

    Attributes:
        title: as the paper calls it: ``0.75 MobileNet-192``.
        key: what measurements know it by: the same for the same network only.
        group: what it shares with some of the others, for the colours of a plot; empty if nothing.
        accuracy: None if it is not known.
        write: writes it as ONNX to a path.
        costs: mult-adds and parameters as they are to be quoted; None: those that the compiler counts.
        next: what to do if it is chosen.
    """

    title: str
    key: str
    group: str
    accuracy: Accuracy | None
    write: Callable[[Path], object]
    costs: tuple[int, int] | None = None
    next: str = ""
