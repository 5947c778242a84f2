"""What it takes to get to a first result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median


@dataclass(frozen=True)
class Costs:
    """What a contender costs before its runs are fast.

    Attributes:
        load_ms: from the model's file to a session, in milliseconds; the peer's code is in memory by then.
        first_run_ms: the first run, in milliseconds.
        memory_mb: the peak of resident memory until after the first run, in 10^6 bytes. For contenders in Python beyond
            that of Python with numpy, the inputs and what only the peer's Python interface needs; for a C program of
            the whole process. The contender's code and the weights count, also where they are pages of files.
    """

    load_ms: float
    first_run_ms: float
    memory_mb: float

    @property
    def first_result_ms(self) -> float:
        """From the model's file to the first result, in milliseconds."""
        return self.load_ms + self.first_run_ms


def median_costs(measured: Sequence[Costs]) -> Costs:
    """The median of each figure over several fresh processes, at least one."""
    return Costs(*(median(getattr(costs, field.name) for costs in measured) for field in fields(Costs)))
