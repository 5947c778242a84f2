"""The tiles worth measuring for a workload: what a search samples from, and what a recorded tile must be one of.

A space is a finite set of tiles. Its axes are the integers inside of a tile by name (``rows``, ``unroll``,
``pointwise.columns``), so that a search can vary one and keep the others; not every combination is a tile.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from separable.schedules import conv, conv_tile, dense, depthwise, depthwise_pointwise
from separable.schedules.kernel import largest_divisor, round_up
from separable.schedules.register_tile import registers_needed
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Dense, Depthwise, DepthwisePointwise, Workload
from separable.targets.row import Target

Tile: TypeAlias = conv.Tile | dense.Tile | depthwise.Tile | depthwise_pointwise.Tile

TILES: Mapping[type[Workload], type[Tile]] = {
    Conv: conv.Tile,
    Dense: dense.Tile,
    Depthwise: depthwise.Tile,
    DepthwisePointwise: depthwise_pointwise.Tile,
}
"""The workloads that have a space, and the type of their tiles."""

PANEL = "panel"
NARROW = "narrow"
"""The fields of a tile that are no parameters to search: the target decides."""

_HOPELESS = 1.25
"""Register tiles are left out whose estimated cycles exceed the best estimate by this factor."""

_UNROLLS = (2, 4, 8, 16, 32)
_MOST_FMAS = 768
"""Multiply-adds in one iteration of a reduction: more than that leave the micro-op cache of every core."""

_DEPTHWISE_ROWS, _DEPTHWISE_COLUMNS = 7, 28
_BAND_ROWS, _BAND_SHAPES = 8, 16


@dataclass(frozen=True)
class Space:
    """The tiles of one workload on one target row.

    Attributes:
        tiles: all of them, the default first; none twice.
        axes: the values that each named parameter takes in some tile, ascending.
    """

    tiles: tuple[Tile, ...]
    axes: Mapping[str, tuple[int, ...]]

    @property
    def default(self) -> Tile:
        """The computed tile, with which the kernel is compiled unless a record says otherwise."""
        return self.tiles[0]

    def tile(self, values: Mapping[str, int]) -> Tile | None:
        """The tile with these values of its parameters; None if the combination is none."""
        return self._by_values.get(tuple(values[name] for name in self.axes))

    @property
    def _by_values(self) -> Mapping[tuple[int, ...], Tile]:
        # Computed once and kept beside the fields, which are frozen.
        known = self.__dict__.get("_tiles_by_values")
        if known is None:
            known = {tuple(parameters(tile).values()): tile for tile in self.tiles}
            self.__dict__["_tiles_by_values"] = known
        return known


def has_space(w: Workload) -> bool:
    """Whether the workload's schedule has a tile that can be searched and recorded; not for several images."""
    return type(w) in TILES and getattr(w.y, "images", 1) == 1


@cache
def space(w: Workload, target: Target) -> Space:
    """The space of a workload.

    Raises:
        KeyError: the workload has none, see :func:`has_space`.
    """
    tiles: list[Tile]
    match w:
        case Conv():
            tiles = [conv.default_tile(w, target), *_conv(w, target)]
        case Depthwise():
            tiles = [depthwise.default_tile(w, target), *_depthwise(w, target)]
        case DepthwisePointwise():
            tiles = [depthwise_pointwise.default_tile(w, target), *_depthwise_pointwise(w, target)]
        case Dense():
            tiles = [dense.default_tile(w, target), *_dense(w, target)]
        case _:
            raise KeyError(type(w).__name__)
    distinct: tuple[Tile, ...] = tuple(dict.fromkeys(tiles))
    values: dict[str, set[int]] = {}
    for tile in distinct:
        for name, value in parameters(tile).items():
            values.setdefault(name, set()).add(value)
    return Space(distinct, {name: tuple(sorted(taken)) for name, taken in values.items()})


def parameters(tile: Any) -> dict[str, int]:
    """The integers inside of a tile by name, those of nested tiles behind a dot; a truth value counts as 0 or 1.

    Without what the target decides.
    """
    found: dict[str, int] = {}
    for field in fields(tile):
        if field.name in (PANEL, NARROW):
            continue
        value = getattr(tile, field.name)
        if is_dataclass(value):
            found |= {f"{field.name}.{name}": inner for name, inner in parameters(value).items()}
        else:
            found[field.name] = int(value)
    return found


def fitted(w: Workload, tile: Tile, target: Target) -> Tile | None:
    """A tile of a similar workload made to fit this one; None if nothing in this workload's space is like it."""
    candidates = space(w, target).tiles
    wanted = parameters(tile)
    if type(tile) is not TILES[type(w)]:
        return None

    def distance(other: Tile) -> float:
        values = parameters(other)
        return sum(abs(math.log2((1 + values[name]) / (1 + value))) for name, value in wanted.items())

    nearest = min(candidates, key=distance)
    # Beyond a factor of two in all parameters together, it is another tile that was never measured.
    return nearest if distance(nearest) <= 1.0 else None


def _conv(w: Conv, target: Target) -> Iterator[conv.Tile]:
    """Every register tile in reach of the best estimate, both orders of the loops, several unrollings."""
    rows, columns = conv_tile.grid(w)
    panel = conv_tile.shared_panel(w, target)
    narrow = conv_tile.narrows(target)
    cycles = conv_tile.register_tiles(rows, columns, w.y.blocks, conv_tile.products(w), target, panel, narrow)
    default = conv.default_tile(w, target)
    # A plain input is walked row by row, and a single pixel has no order.
    ordered = isinstance(w.x, Blocked) and rows * columns > 1
    orders = (True, False) if ordered else (default.pixels_outer,)
    for shape in _in_reach(cycles):
        size, _ = conv_tile.channel_window(w, vectors=shape[2])
        for unroll in _unrolls(size, math.prod(shape), default.unroll):
            yield from (conv.Tile(*shape, unroll, order, panel, narrow) for order in orders)


def _depthwise(w: Depthwise, target: Target) -> Iterator[depthwise.Tile]:
    """Every register tile: its sums, an input vector, a tap and the product under way fit."""
    shapes = itertools.product(
        range(1, min(w.y.height, _DEPTHWISE_ROWS) + 1), range(1, min(w.y.width, _DEPTHWISE_COLUMNS) + 1)
    )
    return (depthwise.Tile(rows, columns) for rows, columns in shapes if rows * columns + 3 <= target.vector_registers)


def _depthwise_pointwise(w: DepthwisePointwise, target: Target) -> Iterator[depthwise_pointwise.Tile]:
    """Bands of a few rows, with the register tiles in reach of the best estimate for the pointwise half."""
    default = depthwise_pointwise.default_tile(w, target)
    cycles = conv_tile.register_tiles(1, w.y.width, w.y.blocks, w.x.channels, target, target.panel_vectors)
    for _, columns, vectors in _in_reach(cycles)[:_BAND_SHAPES]:
        walked = round_up(w.y.width, columns)
        inner = [
            depthwise.Tile(rows, width)
            for rows in (1, 2, 4)
            for width in range(4, _DEPTHWISE_COLUMNS + 1)
            if walked % width == 0 and rows * width + 3 <= target.vector_registers
        ]
        unroll = largest_divisor(w.x.channels, default.pointwise.unroll)
        pointwise = conv.Tile(1, columns, vectors, unroll, pixels_outer=True, panel=target.panel_vectors)
        for rows, first in itertools.product(range(1, min(_BAND_ROWS, w.y.height) + 1), inner):
            if rows % first.rows == 0:
                yield depthwise_pointwise.Tile(rows, first, pointwise)


def _dense(w: Dense, target: Target) -> Iterator[dense.Tile]:
    """Every register tile in reach of the default's work, the reduction unrolled variously."""
    rows, columns = math.prod(w.x.shape[:-1]), w.y.shape[-1]
    default = dense.default_tile(w, target)
    lanes = default.lanes

    def computed(tile_rows: int, vectors: int) -> int:
        return round_up(rows, tile_rows) * round_up(columns, vectors * lanes)

    limit = _HOPELESS * computed(default.rows, default.vectors)
    for tile_rows in range(1, min(rows, 28) + 1):
        for vectors in range(1, min(columns // lanes, 16) + 1):
            fits = registers_needed(tile_rows, vectors, target) <= target.vector_registers
            if fits and computed(tile_rows, vectors) <= limit:
                for unroll in _unrolls(w.x.shape[-1], tile_rows * vectors, default.unroll):
                    yield dense.Tile(tile_rows, vectors, lanes, unroll)


def _in_reach(cycles: Mapping[tuple[int, int, int], float]) -> list[tuple[int, int, int]]:
    """The register tiles that are not hopeless, the best estimate first."""
    reach = _HOPELESS * min(cycles.values())
    return sorted((shape for shape in cycles if cycles[shape] <= reach), key=cycles.__getitem__)


def _unrolls(size: int, accumulators: int, default: int) -> Iterable[int]:
    """Divisors of the reduction's ``size`` that keep an iteration in the micro-op cache; the default's like first."""
    divisors = (largest_divisor(size, limit) for limit in (default, *_UNROLLS))
    return dict.fromkeys(unroll for unroll in divisors if unroll * accumulators <= _MOST_FMAS or unroll <= 2)


def unrollings(w: Workload, tile: object) -> list[object]:
    """The tile and its like with other unrollings of the reduction; the tile alone if its schedule has none."""
    if not isinstance(w, Conv) or not isinstance(tile, conv.Tile):
        return [tile]
    size, _ = conv_tile.channel_window(w, tile.vectors)
    others = (replace(tile, unroll=largest_divisor(size, limit)) for limit in _UNROLLS)
    return list(dict.fromkeys([tile, *others]))
