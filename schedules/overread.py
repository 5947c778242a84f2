"""How far a kernel may read beyond the end of its input.

A register tile that sticks out of the image computes pixels nobody stores. Their inputs are read all the same, so the
arena must reach that far.
"""

from __future__ import annotations

from separable.schedules import conv, depthwise
from separable.schedules.kernel import round_up
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Depthwise, Workload


def overread_bytes(w: Workload, tile: object) -> int:
    """Upper bound of the bytes read beyond the end of a blocked input."""
    if not isinstance(w, Conv | Depthwise) or not isinstance(w.x, Blocked):
        return 0
    if isinstance(tile, conv.Tile) and isinstance(w, Conv):
        rows, columns = conv.grid(w)
    elif isinstance(tile, depthwise.Tile):
        rows, columns = w.y.height, w.y.width
    else:
        raise TypeError(f"{tile} is no tile of {type(w).__name__}")
    pixel = 4 * w.x.lanes
    row = w.x.shape[2] * pixel
    below = (round_up(rows, tile.rows) - rows) * w.window.stride[0]
    beside = (round_up(columns, tile.columns) - columns) * w.window.stride[1]
    return below * row + beside * pixel
