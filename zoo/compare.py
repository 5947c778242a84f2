"""The paper's tables beside what the architectures cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch

from separable.zoo.catalogue import build
from separable.zoo.cost import Cost, layer_cost, total
from separable.zoo.count import CountedLayer, count_layers, shares, total_of
from separable.zoo.paper import SHARES, Build, Row, Source, Table

_TOLERANCE = 0.01


@dataclass(frozen=True)
class Compared:
    """A printed number and the computed one in its unit; None where it cannot be computed."""

    printed: str
    computed: float | None

    @property
    def difference(self) -> float | None:
        """Of the computed number, relative to the printed one."""
        return None if self.computed is None else self.computed / float(self.printed) - 1

    @property
    def agrees(self) -> bool:
        """Whether it cannot be computed, is within 1 % of the printed number, or rounds to it."""
        if self.computed is None or self.difference is None:
            return True
        decimals = len(self.printed.partition(".")[2])
        return abs(self.difference) <= _TOLERANCE or round(self.computed, decimals) == float(self.printed)

    @property
    def text(self) -> str:
        """The computed number with a digit more than the printed one."""
        return "" if self.computed is None else f"{self.computed:.{len(self.printed.partition('.')[2]) + 1}f}"


@dataclass(frozen=True)
class ComparedRow:
    """One row of a table; ``remark`` tells why numbers deviate or are missing."""

    model: str
    accuracy: str
    mult_adds: Compared
    parameters: Compared
    remark: str


def compare_table(table: Table) -> list[ComparedRow]:
    """Every row of a table of networks or layers."""
    return [_compare_row(row, table.unit) for row in table.rows]


def compare_shares() -> list[ComparedRow]:
    """Table 2: percent of mult-adds and parameters by layer type."""
    layers = _layers(Build("mobilenet-v1"))
    whole, by_type = total_of(layers), shares(layers)
    return [
        ComparedRow(
            share.type,
            "",
            Compared(share.mult_adds, 100 * by_type[share.type].mult_adds / whole.mult_adds),
            Compared(share.parameters, 100 * by_type[share.type].parameters / whole.parameters),
            share.remark,
        )
        for share in SHARES
    ]


def cost_of(source: Source) -> Cost:
    """The cost of a network or of single layers."""
    return total_of(_layers(source)) if isinstance(source, Build) else total(map(layer_cost, source))


def _compare_row(row: Row, unit: float) -> ComparedRow:
    cost = None if row.source is None else cost_of(row.source)
    return ComparedRow(
        row.model,
        row.accuracy,
        Compared(row.mult_adds, None if cost is None else cost.mult_adds / unit),
        Compared(row.parameters, None if cost is None else cost.parameters / 1e6),
        row.remark,
    )


def _layers(source: Build) -> Sequence[CountedLayer]:
    return _count(source.name, tuple(source.options.items()))


@cache
def _count(name: str, options: tuple[tuple[str, object], ...]) -> Sequence[CountedLayer]:
    with torch.device("meta"):
        network = build(name, **dict(options))
    return count_layers(network)
