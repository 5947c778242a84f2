"""Both kernels of a convolution by Strassen's algorithm, one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from separable.schedules import registry
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.kernel import Array
from separable.schedules.register_tile import registers_needed
from separable.schedules.strassen import Tile, decline, default_tile
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Conv, Strassen, Window
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target
from tests.schedules import reference
from tests.schedules.harness import assert_close, compiled, run, to_blocked

RELU = Epilogue(activation=Activation("relu"))


def workload(
    lanes: int, channels: tuple[int, int], size: tuple[int, int], epilogue: Epilogue = RELU, halo: Halo | None = None
) -> Strassen:
    """A 1x1 convolution of an image without a halo; its output and its residual have halos."""
    residual = Blocked(channels[1], *size, lanes, Halo(0, 1, 2, 0)) if epilogue.residual else None
    y = Blocked(channels[1], *size, lanes, Halo(1, 0, 0, 2) if halo is None else halo)
    return Strassen(Conv(Blocked(channels[0], *size, lanes), y, Window((1, 1)), 1, epilogue, residual))


def operands(w: Strassen, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The image, the weights and the bias."""
    x = rng.standard_normal((w.conv.in_channels, w.y.height, w.y.width)).astype(np.float32)
    weight = rng.standard_normal((w.y.channels, w.conv.in_channels, 1, 1)).astype(np.float32)
    return x, weight, rng.standard_normal(w.y.channels).astype(np.float32)


def direct(w: Strassen, x: Array, weight: Array, bias: Array) -> reference.Image:
    """The convolution in float64, without its epilogue."""
    image, filters, offsets = (array.astype(np.float64) for array in (x, weight, bias))
    return reference.conv(image, filters, offsets, w.conv.window, 1, w.y.height, w.y.width)


def by_strassen(
    w: Strassen,
    target: str,
    arrays: tuple[Array, Array, Array],
    residual: tuple[Array, Blocked] | None = None,
    tile: Tile | None = None,
) -> Array:
    """What both kernels make of an image."""
    x, weight, bias = arrays
    assert isinstance(w.conv.x, Blocked)
    factors = run(w.inputs, target, [(x, w.conv.x)])
    return run(w, target, [(x, w.conv.x), (factors, w.x)], [weight, bias], residual, tile)


def check(w: Strassen, target: str, rng: np.random.Generator, tile: Tile | None = None) -> None:
    arrays = operands(w, rng)
    expected = direct(w, *arrays)
    residual = None
    if w.residual is not None:
        added = rng.standard_normal(expected.shape).astype(np.float32)
        residual, expected = (added, w.residual), expected + added
    if w.epilogue.activation is not None:
        expected = reference.ACTIVATIONS[w.epilogue.activation.name](expected, *w.epilogue.activation.parameters)
    assert_close(by_strassen(w, target, arrays, residual, tile), expected)


@pytest.mark.parametrize("size", [(1, 2), (1, 3), (3, 3), (4, 8), (7, 7), (13, 13)], ids=str)
def test_agrees_with_reference(size: tuple[int, int], target: str, rng: np.random.Generator) -> None:
    lanes = find_target(target).lanes
    check(workload(lanes, (4 * lanes, 6 * lanes), size), target, rng)


@pytest.mark.parametrize("channels", [(2, 2), (2, 10), (14, 4), (34, 6)], ids=str)
def test_channels(channels: tuple[int, int], rng: np.random.Generator) -> None:
    """In vectors: halves of one, of primes, and of unequal numbers."""
    lanes = find_target("native").lanes
    check(workload(lanes, (channels[0] * lanes, channels[1] * lanes), (5, 3)), "native", rng)


@pytest.mark.parametrize("pixels", range(2, 12))
def test_every_remainder(pixels: int, rng: np.random.Generator) -> None:
    """Of pixels in halves, and of pairs in the last register tile."""
    lanes = find_target("native").lanes
    for products_outer in (False, True):
        tile = Tile(min(3, -(-pixels // 2)), 2, 4, products_outer)
        check(workload(lanes, (2 * lanes, 4 * lanes), (1, pixels)), "native", rng, tile)


@pytest.mark.parametrize(
    "epilogue", [Epilogue(), Epilogue(True), Epilogue(True, Activation("clip", (-0.5, 0.75)))], ids=str
)
def test_epilogues(epilogue: Epilogue, target: str, rng: np.random.Generator) -> None:
    lanes = find_target(target).lanes
    check(workload(lanes, (2 * lanes, 2 * lanes), (5, 7), epilogue), target, rng)


def test_rounding_stays_near_that_of_the_direct_convolution(rng: np.random.Generator) -> None:
    """Largest error in parts of the largest output; the direct convolution's is 4e-7 here."""
    w = workload(find_target("native").lanes, (512, 64), (14, 14), Epilogue())
    x, weight, bias = operands(w, rng)
    x = np.maximum(x, 0)  # as after an activation
    assert_close(by_strassen(w, "native", (x, weight, bias)), direct(w, x, weight, bias), 2e-6)


@pytest.mark.parametrize("products_outer", [False, True])
@pytest.mark.parametrize(("size", "items"), [((4, 4), 4), ((5, 5), 4), ((9, 17), 16)], ids=str)
def test_the_same_bits_whoever_computes_an_item(
    size: tuple[int, int], items: int, products_outer: bool, rng: np.random.Generator
) -> None:
    """Also of the pixel in the middle of an odd number, which is computed twice, perhaps by two parts of an item."""
    lanes = find_target("native").lanes
    w = workload(lanes, (2 * lanes, 8 * lanes), size, Epilogue())
    assert isinstance(w.conv.x, Blocked)
    kernel = compiled(w, "native", Tile(3, 1, 4, products_outer))
    x, weight, bias = operands(w, rng)
    image = to_blocked(x, w.conv.x)
    sums = compiled(w.inputs, "native")([image])
    buffers = [image, sums, *registry.pack_constants(w, kernel.kernel.tile, [weight, bias])]
    assert kernel.lowered.extent == items
    np.testing.assert_array_equal(kernel(buffers), kernel(buffers, pieces=items))


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
@pytest.mark.parametrize("channels", [(2, 2), (10, 6), (64, 32)], ids=str)
def test_default_tiles_fit(channels: tuple[int, int], target: Target) -> None:
    for size in ((1, 2), (7, 7), (28, 28)):
        w = workload(target.lanes, (channels[0] * target.lanes, channels[1] * target.lanes), size)
        tile = default_tile(w, target)
        assert registers_needed(tile.columns, tile.vectors, target) <= target.vector_registers
        assert tile.columns <= w.pairs
        assert w.y.blocks // 2 % tile.vectors == 0
        assert w.depth % tile.unroll == 0


X86 = [target for target in all_targets() if target.arch == "x86_64"]


@pytest.mark.parametrize("target", [t for t in X86 if t.l2_bytes >= 1024 * 1024], ids=lambda target: target.name)
def test_pays_where_there_are_channels_and_pixels(target: Target) -> None:
    assert decline(workload(target.lanes, (512, 512), (14, 14)).conv, target) is None


@pytest.mark.parametrize("target", X86, ids=lambda target: target.name)
def test_declines_where_the_image_and_its_sums_do_not_fit_l2(target: Target) -> None:
    reason = "its image and the sums do not fit L2, from where each panel reads them"
    assert decline(workload(target.lanes, (512, 512), (56, 56)).conv, target) == reason


def test_products_are_outermost_where_few_pixels_share_a_weight_and_one_products_weights_stay_in_l1() -> None:
    assert default_tile(workload(8, (512, 512), (14, 14)), find_target("x86-64:znver3")).products_outer
    assert not default_tile(workload(8, (1024, 1024), (14, 14)), find_target("x86-64:znver3")).products_outer
    assert not default_tile(workload(16, (512, 512), (14, 14)), find_target("x86-64:znver4")).products_outer


@pytest.mark.parametrize("target", X86, ids=lambda target: target.name)
@pytest.mark.parametrize("case", [((64, 64), (20, 20)), ((512, 512), (1, 2))], ids=str)
def test_declines_where_sums_cost_more(case: tuple[tuple[int, int], tuple[int, int]], target: Target) -> None:
    """Few channels: the sums of the image and of the products; few pixels: those of the weights."""
    reason = decline(workload(target.lanes, *case).conv, target)
    assert reason is not None
    assert "cycles by estimate" in reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"groups": 2}, "no dense 1x1 convolution of stride 1, of one image"),
        ({"window": Window((1, 1), (2, 2))}, "no dense 1x1 convolution of stride 1, of one image"),
        ({"weights": "float16"}, "its sums need more digits than float16 has"),
        ({"window": Window((3, 3), pad=(1, 1))}, "no dense 1x1 convolution of stride 1, of one image"),
        ({"x": Blocked(512, 14, 14, 8, Halo(1, 1, 1, 1))}, "no dense 1x1 convolution of stride 1, of one image"),
        ({"x": Plain((1, 512, 14, 14))}, "no dense 1x1 convolution of stride 1, of one image"),
        ({"x": Blocked(520, 14, 14, 8)}, "its channels are no even number of vectors"),
        ({"y": Blocked(516, 14, 14, 8)}, "its channels are no even number of vectors"),
    ],
    ids=str,
)
def test_declines_other_convolutions(change: dict[str, object], reason: str) -> None:
    conv = replace(workload(8, (512, 512), (14, 14)).conv, **change)  # type: ignore[arg-type]
    assert decline(conv, find_target("x86-64-v3")) == reason


def test_declines_on_arm() -> None:
    conv = workload(4, (512, 512), (14, 14)).conv
    assert decline(conv, find_target("arm64:cortex-a76")) == "on Arm it was never measured"


def test_declines_where_kernels_for_several_cpus_share_weights() -> None:
    conv = workload(8, (512, 512), (14, 14)).conv
    assert "share its weights" in str(decline(conv, replace(find_target("x86-64-v3"), panel_channels=16)))


def test_mult_adds_are_those_of_the_convolution() -> None:
    w = workload(8, (16, 32), (4, 6))
    assert w.macs + w.inputs.macs == w.conv.macs == 4 * 6 * 16 * 32
