"""Items that threads share in parts."""

from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import conv, depthwise, depthwise_pointwise, registry, strassen
from separable.schedules.epilogue import Epilogue
from separable.schedules.kernel import Array
from separable.schedules.overread import overread_bytes
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Conv, DepthwisePointwise, Strassen, Window
from tests.schedules import test_strassen
from tests.schedules.harness import AnyArray, CompiledKernel, compiled, to_blocked

LANES = 8
THREE = Window((3, 3), pad=(1, 1))


def check(kernel: CompiledKernel, buffers: list[AnyArray], items: int, parts: int, slack: int = 0) -> None:
    """The same bits, whether whole items are computed, parts of one or of several, or each part by itself."""
    assert kernel.lowered.extent == items * parts
    whole = kernel(buffers, slack=slack)
    assert np.isfinite(whole).any()
    for pieces in range(2, items * parts + 1):
        np.testing.assert_array_equal(kernel(buffers, pieces, slack), whole)


@pytest.mark.parametrize("products_outer", [False, True])
@pytest.mark.parametrize(("pairs", "parts"), [(7, 1), (8, 2), (11, 2), (15, 3), (16, 4), (31, 4)], ids=str)
def test_pixels_of_strassen(pairs: int, parts: int, products_outer: bool) -> None:
    """Four register tiles or more are a part; equal ones or not."""
    image = Blocked(2 * LANES, 2, pairs, LANES)
    w = Strassen(Conv(image, Blocked(6 * LANES, 2, pairs, LANES, Halo(1, 0, 0, 2)), Window((1, 1)), 1))
    rng = np.random.default_rng(0)
    kernel = compiled(w, "x86-64-v3", strassen.Tile(1, 1, 4, products_outer))
    x, weight, bias = test_strassen.operands(w, rng)
    blocked = to_blocked(x, image)
    sums = compiled(w.inputs, "x86-64-v3")([blocked])
    check(kernel, [blocked, sums, *registry.pack_constants(w, kernel.kernel.tile, [weight, bias])], 3, parts)


@pytest.mark.parametrize(("rows", "of_depthwise", "parts"), [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 2), (4, 4, 1)])
def test_rows_of_a_band(rows: int, of_depthwise: int, parts: int) -> None:
    """The last band may stick out of the image."""
    image = Blocked(2 * LANES, 7, 6, LANES, Halo(1, 1, 1, 1))
    w = DepthwisePointwise(image, Blocked(LANES, 7, 6, LANES, Halo(0, 1, 2, 0)), THREE, Epilogue(), Epilogue())
    pointwise = conv.Tile(1, 3, 1, 8, pixels_outer=True)
    tile = depthwise_pointwise.Tile(rows, depthwise.Tile(of_depthwise, 3), pointwise)
    kernel = compiled(w, "x86-64-v3", tile)
    rng = np.random.default_rng(0)

    def random(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    constants = [random(16, 1, 3, 3), random(16), random(8, 16, 1, 1), random(8)]
    slack = overread_bytes(w, tile)
    blocked = to_blocked(random(16, 7, 6), image)
    check(kernel, [blocked, *registry.pack_constants(w, tile, constants)], -(-7 // rows), parts, slack)
