"""Kernels with float16 images: convolutions bit by bit, in the order in which they say that they add.

They run with float16 arithmetic emulated (``targets/emulation.py``), the one place where its rounding is known exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from separable.schedules import conv, depthwise, depthwise_pointwise
from separable.schedules.epilogue import ACTIVATIONS, Activation, Epilogue
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import (
    Conv,
    Depthwise,
    DepthwisePointwise,
    Elementwise,
    GlobalPool,
    Lrn,
    Pool,
    Reorder,
    Resize,
    RoiAlign,
    Window,
)
from separable.targets.emulation import EMULATED_FP16
from separable.targets.errors import UnsupportedHost
from separable.targets.table import find_target
from tests.schedules import reference, test_depthwise_pointwise, test_lrn, test_roi_align
from tests.schedules.harness import assert_close, run
from tests.schedules.test_conv import CASES, ONE, PARAMETERS, THREE
from tests.schedules.test_depthwise import workload as depthwise_workload

LANES = 8
ROUNDING = 2**-11
Half = NDArray[np.float16]
Image = TypeVar("Image", Blocked, Plain)


@pytest.fixture(autouse=True, scope="module")
def _emulation() -> None:
    try:
        find_target(EMULATED_FP16)
    except UnsupportedHost as error:
        pytest.skip(str(error))


def half(image: Image) -> Image:
    """The same image of float16."""
    return replace(image, dtype="float16")


def random(rng: np.random.Generator, *shape: int) -> Half:
    return rng.standard_normal(shape).astype(np.float16)


def exactly(x: Half, weight: Half, bias: Half) -> tuple[reference.Image, reference.Image, reference.Image]:
    return x.astype(np.float64), weight.astype(np.float64), bias.astype(np.float64)


def fused(total: NDArray[Any], a: NDArray[Any], b: NDArray[Any], dtype: Any = np.float16) -> NDArray[Any]:
    """A multiply-add with one rounding; sum and factors are float16, so that their product is exact in float32."""
    return np.asarray((total.astype(np.float32) + a.astype(np.float32) * b.astype(np.float32)).astype(dtype))


def summed(x: Half, weight: Half, bias: NDArray[Any], w: Conv | Depthwise, groups: int) -> NDArray[Any]:
    """A convolution of [C, H, W] as the schedules specify it.

    Bias first, then by ky, kx and input channel; of plain images by ky, input channel and kx.
    """
    dtype = np.dtype(w.y.dtype)
    taps = reference.taps(x.astype(np.float64), w.window, w.y.height, w.y.width, 0.0)
    pixels, per_group = taps.astype(x.dtype), weight.shape[1]
    outputs = np.arange(len(weight))
    total = np.broadcast_to(bias.astype(dtype)[:, None, None], (len(weight), w.y.height, w.y.width))
    rows, columns = w.window.size
    order: Iterable[tuple[int, int, int]] = itertools.product(range(rows), range(columns), range(per_group))
    if isinstance(w.x, Plain):
        order = ((ky, kx, k) for ky, k, kx in itertools.product(range(rows), range(per_group), range(columns)))
    for ky, kx, k in order:
        channel = outputs // (len(weight) // groups) * per_group + k
        total = fused(total, pixels[ky, kx, channel], weight[:, k, ky, kx, None, None], dtype)
    return np.asarray(total)


def half_conv(name: str, epilogue: Epilogue | None = None) -> Conv:
    """A case of the float32 tests; what it reads from NCHW stays float32, as inputs of models are."""
    w = CASES[name].workload(LANES, epilogue)
    x = half(w.x) if isinstance(w.x, Blocked) else w.x
    residual = None if w.residual is None else half(w.residual)
    return replace(w, x=x, y=half(w.y), residual=residual, weights="float16")


def check_conv(w: Conv, rng: np.random.Generator, tile: conv.Tile | None = None) -> None:
    """Without an epilogue."""
    height, width = (w.x.height, w.x.width) if isinstance(w.x, Blocked) else w.x.shape[2:]
    x = random(rng, w.in_channels, height, width)
    weight = random(rng, w.y.channels, w.in_channels // w.groups, *w.window.size)
    bias = random(rng, w.y.channels)
    image = x.astype(w.x.dtype) if isinstance(w.x, Blocked) else x.astype(w.x.dtype)[None]
    actual = run(w, EMULATED_FP16, [(image, w.x)], [weight.astype(np.float32), bias.astype(np.float32)], tile=tile)
    assert actual.dtype == w.y.dtype
    np.testing.assert_array_equal(actual, summed(x, weight, bias, w, w.groups))


@pytest.mark.parametrize("name", CASES)
def test_convolutions(name: str, rng: np.random.Generator) -> None:
    check_conv(half_conv(name), rng)


@pytest.mark.parametrize("pixels_outer", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 2, 8), (1, 10, 2, 16), (3, 5, 1, 2)])
def test_tiles_of_convolutions(shape: tuple[int, int, int, int], pixels_outer: bool, rng: np.random.Generator) -> None:
    w = replace(half_conv("3x3"), x=half(Blocked(32, 13, 13, LANES, Halo(1, 1, 1, 1))))
    check_conv(w, rng, conv.Tile(*shape, pixels_outer))


def test_several_images_follow_one_another(rng: np.random.Generator) -> None:
    x, y = half(Blocked(17, 5, 7, LANES, Halo(1, 1, 1, 1), images=3)), half(Blocked(33, 5, 7, LANES, images=3))
    w = Conv(x, y, THREE, weights="float16")
    images, weight, bias = random(rng, 3, 17, 5, 7), random(rng, 33, 17, 3, 3), random(rng, 33)
    actual = run(w, EMULATED_FP16, [(images, x)], [weight.astype(np.float32), bias.astype(np.float32)])
    np.testing.assert_array_equal(actual, np.stack([summed(image, weight, bias, w, 1) for image in images]))


def test_regions_are_interpolated_in_float32(rng: np.random.Generator) -> None:
    x, y = half(Blocked(19, 9, 13, LANES, Halo(1, 0, 2, 1), images=2)), half(Blocked(19, 3, 5, LANES, images=11))
    w = RoiAlign((x, Plain((11, 5))), y, 0.25, 2, False)
    images, regions = random(rng, 2, 19, 9, 13), test_roi_align.some_regions(rng, 2, 11, 40.0)
    expected = test_roi_align.reference(images.astype(np.float32), regions, w)
    actual = run(w, EMULATED_FP16, [(images, x), (regions, Plain((11, 5)))])
    assert actual.dtype == np.float16
    np.testing.assert_allclose(actual.astype(np.float64), expected, 1.1 * ROUNDING, 1e-5)


def test_a_reduction_that_asks_for_the_next_panel_in_few_iterations(rng: np.random.Generator) -> None:
    x, y = half(Blocked(256, 5, 5, LANES)), half(Blocked(40, 5, 5, LANES))
    w = Conv(x, y, ONE, weights="float16")
    tile = conv.Tile(1, 5, 2, 8, pixels_outer=False)
    assert conv.has_two_loops(w, tile)
    check_conv(w, rng, tile)


@pytest.mark.parametrize(("channels", "outputs"), [(33, 17), (1, 1), (200, 1001)])
def test_images_of_one_pixel_are_float32_and_their_weights_float16(
    channels: int, outputs: int, rng: np.random.Generator
) -> None:
    w = Conv(Blocked(channels, 1, 1, LANES), Blocked(outputs, 1, 1, LANES), ONE, weights="float16")
    x, weight, bias = random(rng, channels, 1, 1), random(rng, outputs, channels, 1, 1), random(rng, outputs)
    exact = reference.conv(*exactly(x, weight, bias), ONE, 1, 1, 1)
    constants = [weight.astype(np.float32), bias.astype(np.float32)]
    actual = run(w, EMULATED_FP16, [(x.astype(np.float32), w.x)], constants)
    assert actual.dtype == np.float32
    assert_close(actual, exact)


def test_a_window_that_leaves_one_pixel_sums_in_float32(rng: np.random.Generator) -> None:
    w = Conv(half(Blocked(17, 3, 3, LANES)), Blocked(33, 1, 1, LANES), Window((3, 3)), weights="float16")
    x, weight, bias = random(rng, 17, 3, 3), random(rng, 33, 17, 3, 3), random(rng, 33)
    exact = reference.conv(*exactly(x, weight, bias), w.window, 1, 1, 1)
    assert_close(run(w, EMULATED_FP16, [(x, w.x)], [weight.astype(np.float32), bias.astype(np.float32)]), exact)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "sqrt"])
@pytest.mark.parametrize("residual", [False, True])
def test_epilogues(name: str, residual: bool, rng: np.random.Generator) -> None:
    parameters = PARAMETERS.get(name, ())
    w = half_conv("1x1-halo", Epilogue(residual, Activation(name, parameters)))
    x, weight, bias = random(rng, 17, 7, 7), random(rng, 33, 17, 1, 1), random(rng, 33)
    value = summed(x, weight, bias, w, 1)
    added = random(rng, *value.shape) if residual else np.zeros(value.shape, np.float16)
    with np.errstate(over="ignore"):  # e^x is infinite where it leaves float16's range
        expected = reference.ACTIVATIONS[name]((value + added).astype(np.float64), *parameters).astype(np.float16)
    layout = (added, w.residual) if w.residual is not None else None
    actual = run(w, EMULATED_FP16, [(x, w.x)], [weight.astype(np.float32), bias.astype(np.float32)], layout)
    np.testing.assert_allclose(actual.astype(np.float64), expected.astype(np.float64), 4 * ROUNDING, 1e-3)


@pytest.mark.parametrize(
    ("channels", "size", "window", "halo", "tile"),
    [
        (17, (13, 13), THREE, Halo(1, 1, 1, 1), None),
        (33, (7, 13), Window((3, 3), (2, 2), pad=(1, 1)), Halo(1, 1, 1, 1), None),
        (1, (1, 2), THREE, Halo(1, 1, 1, 1), None),
        (7, (2, 2), Window((5, 5), pad=(2, 2)), Halo(3, 2, 2, 4), None),
        (8, (13, 13), Window((3, 3), dilation=(2, 3), pad=(2, 3)), Halo(2, 3, 2, 3), depthwise.Tile(2, 4)),
    ],
)
def test_depthwise(
    channels: int,
    size: tuple[int, int],
    window: Window,
    halo: Halo,
    tile: depthwise.Tile | None,
    rng: np.random.Generator,
) -> None:
    w = depthwise_workload(LANES, channels, size, window, halo)
    w = replace(w, x=half(w.x), y=half(w.y))
    x, weight, bias = random(rng, channels, *size), random(rng, channels, 1, *window.size), random(rng, channels)
    constants = [weight.astype(np.float32), bias.astype(np.float32)]
    actual = run(w, EMULATED_FP16, [(x, w.x)], constants, tile=tile)
    np.testing.assert_array_equal(actual, summed(x, weight, bias, w, channels))


@pytest.mark.parametrize(
    ("channels", "size", "window"),
    [((17, 33), (13, 13), THREE), ((33, 7), (7, 13), Window((3, 3), (2, 2), pad=(1, 1))), ((1, 1), (2, 1), THREE)],
)
def test_fused_pairs(
    channels: tuple[int, int], size: tuple[int, int], window: Window, rng: np.random.Generator
) -> None:
    w = test_depthwise_pointwise.workload(LANES, channels, size, window, Epilogue())
    w = DepthwisePointwise(half(w.x), half(w.y), window, w.between, w.epilogue)
    x, weight, bias = (
        random(rng, channels[0], *size),
        random(rng, channels[0], 1, *window.size),
        random(rng, channels[0]),
    )
    point, offset = random(rng, channels[1], channels[0], 1, 1), random(rng, channels[1])
    middle = np.clip(summed(x, weight, bias, w.depthwise, channels[0]), 0, 6).astype(np.float16)
    expected = summed(middle, point, offset, w.pointwise, 1)
    constants = [array.astype(np.float32) for array in (weight, bias, point, offset)]
    for tile in (None, depthwise_pointwise.default_tile(w, find_target("arm64:cortex-a55+fp16"))):
        np.testing.assert_array_equal(run(w, EMULATED_FP16, [(x, w.x)], constants, tile=tile), expected)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("dilation", [1, 2])
def test_pools(kind: str, include: bool, dilation: int, rng: np.random.Generator) -> None:
    window = Window((3, 3), (2, 1), (dilation, dilation), (1, 2))
    x = half(Blocked(17, 13, 7, LANES, Halo(0, 1, 2, 0)))
    height, width = ((n + 2 * p - 2 * dilation - 1) // s + 1 for n, p, s in zip((13, 7), (1, 2), (2, 1), strict=True))
    w = Pool(kind, x, half(Blocked(17, height, width, LANES, Halo(1, 2, 0, 1))), window, include)
    image = (-1 - rng.random((17, 13, 7))).astype(np.float16)
    expected = reference.pool(image.astype(np.float64), kind, window, height, width, include)
    actual = run(w, EMULATED_FP16, [(image, x)])
    assert actual.dtype == np.float16
    np.testing.assert_allclose(actual, expected, 0 if kind == "max" else 1.1 * ROUNDING)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("size", [(17, 13, 2), (1, 7, 7), (200, 56, 56)], ids=str)
def test_global_pools_sum_in_float32(kind: str, size: tuple[int, int, int], rng: np.random.Generator) -> None:
    x = half(Blocked(*size, LANES, Halo(1, 1, 1, 1)))
    w = GlobalPool(kind, x, Blocked(size[0], 1, 1, LANES))
    image = (50 + rng.random(size)).astype(np.float16)  # sums leave float16's range
    exact = image.astype(np.float64)
    expected = exact.max(axis=(1, 2)) if kind == "max" else exact.mean(axis=(1, 2))
    assert_close(run(w, EMULATED_FP16, [(image, x)]), expected[:, None, None], 0 if kind == "max" else 1e-5)


@pytest.mark.parametrize("second", ["image", "pixel", "constant"])
@pytest.mark.parametrize("operation", ["subtract", "multiply"])
def test_arithmetic_is_of_float32(operation: str, second: str, rng: np.random.Generator) -> None:
    """One operand is an image of float16, the other one of float16, a pixel of float32 or a constant per channel."""
    size = (17, 7, 13)
    layouts = [half(Blocked(*size, LANES, Halo(1, 0, 0, 2)))]
    a, shape = random(rng, *size), size if second == "image" else (size[0], 1, 1)
    b: NDArray[Any] = rng.standard_normal(shape).astype(np.float16 if second == "image" else np.float32)
    if second != "constant":
        pixel = Blocked(*shape, LANES, Halo(0, 1, 0, 0))
        layouts.append(half(pixel) if second == "image" else pixel)
    y = half(Blocked(*size, LANES, Halo(0, 2, 1, 1)))
    w = Elementwise(operation, tuple(layouts), y, second == "constant")
    first, other = a.astype(np.float32), b.astype(np.float32)
    exact = first - other if operation == "subtract" else first * other
    constants = [other[:, 0, 0]] if second == "constant" else []
    actual = run(w, EMULATED_FP16, list(zip((a, b), layouts, strict=False)), constants)
    np.testing.assert_array_equal(actual, exact.astype(np.float16))


@pytest.mark.parametrize("size", [(1, 2, 2), (17, 5, 7), (33, 13, 3)], ids=str)
@pytest.mark.parametrize("channels_last", [False, True], ids=["nchw", "nhwc"])
def test_inputs_and_outputs_are_converted(
    size: tuple[int, int, int], channels_last: bool, rng: np.random.Generator
) -> None:
    image = rng.standard_normal(size).astype(np.float32)
    array = np.ascontiguousarray(image.transpose(1, 2, 0) if channels_last else image)[None]
    blocked, plain = half(Blocked(*size, LANES, Halo(1, 0, 2, 1))), Plain(array.shape)
    rounded = image.astype(np.float16)
    stored = run(Reorder(plain, blocked, channels_last), EMULATED_FP16, [(array, plain)])
    np.testing.assert_array_equal(stored, rounded)
    back = run(Reorder(blocked, plain, channels_last), EMULATED_FP16, [(rounded, blocked)])
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, array.astype(np.float16).astype(np.float32))


def test_resize_copies(rng: np.random.Generator) -> None:
    x, y = half(Blocked(17, 7, 13, LANES, Halo(1, 0, 2, 1))), half(Blocked(17, 14, 26, LANES))
    image = random(rng, 17, 7, 13)
    expected = image.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(run(Resize(x, y), EMULATED_FP16, [(image, x)]), expected)


@pytest.mark.parametrize("channels", [1, 17, 33])
def test_local_response_normalisation(channels: int, rng: np.random.Generator) -> None:
    x, y = half(Blocked(channels, 3, 7, LANES, Halo(1, 2, 1, 0))), half(Blocked(channels, 3, 7, LANES))
    image = (100 * random(rng, channels, 3, 7)).astype(np.float16)  # squares leave float16's range
    expected = test_lrn.expected(image, 5, 0.7, 0.75, 1.5)
    actual = run(Lrn(x, y, 5, 0.7, 0.75, 1.5), EMULATED_FP16, [(image, x)])
    np.testing.assert_allclose(actual.astype(np.float64), expected, 1.1 * ROUNDING, 1e-6)
