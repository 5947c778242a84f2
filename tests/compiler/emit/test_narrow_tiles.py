"""Register tiles of two widths in one kernel."""

from __future__ import annotations

import numpy as np
import pytest
import tvm_ffi
from tvm import tirx

from separable.compiler.emit.narrow_tiles import narrow_tiles
from separable.schedules import conv, strassen
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.kernel import COLUMNS, NARROW
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Conv, Strassen, Window
from separable.targets.table import find_target
from tests.schedules import test_conv, test_strassen

TARGET = find_target("x86-64-v3")


def pointwise(size: tuple[int, int], residual: bool = False) -> Conv:
    """A 1x1 convolution between images with different halos."""
    added = Blocked(24, *size, 8, Halo(1, 0, 0, 2)) if residual else None
    epilogue = Epilogue(residual=residual, activation=Activation("relu"))
    return Conv(Blocked(16, *size, 8), Blocked(24, *size, 8, Halo(1, 1, 1, 1)), Window((1, 1)), 1, epilogue, added)


def loops(func: tirx.PrimFunc) -> list[tirx.For]:
    found: list[tirx.For] = []
    tvm_ffi.structural_walk(func.body, [(tirx.For, found.append)])
    return found


@pytest.mark.parametrize(("columns", "widths"), [(6, {6, 5}), (7, {7})], ids=str)
def test_a_second_body_only_where_columns_are_left_over(columns: int, widths: set[int]) -> None:
    scheduled = conv.build(pointwise((7, 7)), TARGET, conv.Tile(1, columns, 2, 8, pixels_outer=False, narrow=True)).func
    marked = {str(loop.loop_var.name) for loop in loops(scheduled) if COLUMNS in loop.annotations}
    after = loops(narrow_tiles(scheduled))
    assert {int(loop.extent) for loop in after if str(loop.loop_var.name) in marked} == widths
    assert not any(mark in loop.annotations for loop in after for mark in (NARROW, COLUMNS))


@pytest.mark.parametrize("pixels_outer", [False, True])
@pytest.mark.parametrize(("size", "columns"), [((7, 7), 6), ((1, 5), 3), ((3, 7), 4), ((2, 7), 5)], ids=str)
@pytest.mark.parametrize("residual", [False, True])
def test_pointwise(size: tuple[int, int], columns: int, pixels_outer: bool, residual: bool) -> None:
    """Every pixel is right, and nothing beyond the image is read or written."""
    tile = conv.Tile(1, columns, 2, 8, pixels_outer, narrow=True)
    test_conv.check(pointwise(size, residual), "native", np.random.default_rng(0), tile)


@pytest.mark.parametrize("rows", [1, 2])
def test_columns_of_a_window(rows: int) -> None:
    """Tiles within the rows of an image, from a blocked and from a plain one."""
    window = Window((3, 3), pad=(1, 1))
    tile = conv.Tile(rows, 4, 1, 1, pixels_outer=False, narrow=True)
    rng = np.random.default_rng(0)
    y = Blocked(8, 5, 11, 8)
    test_conv.check(Conv(Blocked(8, 5, 11, 8, Halo(1, 1, 1, 1)), y, window, 1), "native", rng, tile)
    test_conv.check(Conv(Plain((1, 3, 5, 11)), y, window, 1), "native", rng, tile)


@pytest.mark.parametrize("products_outer", [False, True])
@pytest.mark.parametrize(("size", "columns"), [((14, 14), 6), ((2, 5), 3), ((3, 3), 3)], ids=str)
def test_strassen_pairs(size: tuple[int, int], columns: int, products_outer: bool) -> None:
    image = Blocked(32, *size, 8)
    w = Strassen(Conv(image, Blocked(48, *size, 8, Halo(1, 0, 0, 2)), Window((1, 1)), 1))
    tile = strassen.Tile(columns, 1, 4, products_outer)
    test_strassen.check(w, "native", np.random.default_rng(0), tile)
