"""How far a kernel may read beyond the end of its input.

A tile of a depthwise convolution that sticks out of the image computes pixels nobody stores. Their inputs are read all
the same, so the arena must reach that far.
"""

from __future__ import annotations

from separable.schedules import depthwise, depthwise_pointwise
from separable.schedules.kernel import round_up
from separable.schedules.workload import Depthwise, DepthwisePointwise, Workload


def overread_bytes(w: Workload, tile: object) -> int:
    """Upper bound of the bytes read beyond the end of a blocked input."""
    if not isinstance(w, Depthwise | DepthwisePointwise):
        return 0
    rows, columns = w.y.height, w.y.width
    if isinstance(w, DepthwisePointwise):
        assert isinstance(tile, depthwise_pointwise.Tile)
        walked_rows, walked_columns = depthwise_pointwise.walked(w, tile)
    else:
        assert isinstance(tile, depthwise.Tile)
        walked_rows, walked_columns = round_up(rows, tile.rows), round_up(columns, tile.columns)
    pixel = w.x.pixel_bytes
    row = w.x.shape[2] * pixel
    below = (walked_rows - rows) * w.window.stride[0]
    beside = (walked_columns - columns) * w.window.stride[1]
    return below * row + beside * pixel
