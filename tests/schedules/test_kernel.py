"""Where register tiles start."""

from __future__ import annotations

import itertools

import pytest
from tvm import tirx

from separable.schedules.kernel import narrow_from, overlapped, spread, walked_columns

SIZES = [(size, extent) for size, extent in itertools.product(range(1, 13), (1, 2, 7, 13, 49, 64, 98, 196, 784))]


def starts(size: int, extent: int) -> list[int]:
    """Where the tiles start."""
    tiles = range(-(-extent // size))
    return [int(spread(tirx.const(index, "int32"), size, extent)) for index in tiles]


@pytest.mark.parametrize(("size", "extent"), [(s, e) for s, e in SIZES if s <= e])
def test_tiles_cover_all_columns(size: int, extent: int) -> None:
    first = narrow_from(size, extent)
    covered = [
        column
        for index, start in enumerate(starts(size, extent))
        for column in range(start, start + size - (index >= first))
    ]
    assert sorted(set(covered)) == list(range(extent))
    assert len(covered) == walked_columns(size, extent)


@pytest.mark.parametrize(
    ("size", "extent", "first"),
    [
        (6, 98, 13),  # 13 x 6 + 4 x 5
        (6, 49, 4),  # 4 x 6 + 5 x 5
        (6, 96, 16),  # all of one width
        (6, 784, 131),  # two columns of 784 are not worth a second body
        (9, 64, 8),  # 8 tiles of 8 are another tile
        (7, 10, 2),  # 7 and 3 differ by more than a column
        (1, 5, 5),
    ],
)
def test_the_first_narrow_tile(size: int, extent: int, first: int) -> None:
    assert narrow_from(size, extent) == first


def test_the_last_tile_overlaps_where_none_is_narrower() -> None:
    index = tirx.Var("index", "int32")
    assert str(spread(index, 6, 784)) == str(overlapped(index, 6, 784))
