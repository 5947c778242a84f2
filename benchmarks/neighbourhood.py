"""The tiles that the exhaustive search tries at first: those of a workload's space, each with one unrolling."""

from __future__ import annotations

from dataclasses import replace

from separable.schedules import conv
from separable.schedules.space import Tile, space
from separable.schedules.workload import Conv, Depthwise, Workload
from separable.targets.row import Target


def tiles_near(w: Workload, target: Target) -> list[Tile]:
    """The tiles worth measuring, the default first, then the best estimates.

    For a convolution every register tile in reach of the best estimate, in both orders of the loops, its reduction
    unrolled as the default's; for a depthwise convolution every register tile; for all other workloads nothing.
    """
    if not isinstance(w, Conv | Depthwise):
        return []
    first: dict[Tile, Tile] = {}
    for tile in space(w, target).tiles:
        # The space lists the unrolling that is most like the default's before others of the same register tile.
        first.setdefault(replace(tile, unroll=1) if isinstance(tile, conv.Tile) else tile, tile)
    return list(first.values())
