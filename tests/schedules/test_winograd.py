from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from separable.schedules import registry, winograd_tile
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.kernel import Array
from separable.schedules.overread import overread_bytes
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.toom_cook import POINTS
from separable.schedules.winograd import Tile, decline, default_tile
from separable.schedules.workload import Conv, Window, Winograd
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target
from tests.schedules import reference
from tests.schedules.harness import assert_close, compiled, run, to_blocked

SAME = Window((3, 3), pad=(1, 1))
RELU = Epilogue(activation=Activation("relu"))


def workload(
    lanes: int,
    channels: tuple[int, int],
    size: tuple[int, int],
    window: Window = SAME,
    epilogue: Epilogue = RELU,
    halo: Halo | None = None,
) -> Winograd:
    """A convolution whose output is as large as its padding, the same on all sides, makes it."""
    halo = halo or Halo(*window.pad, *window.pad)
    height, width = (size[axis] + 2 * window.pad[axis] - 2 for axis in (0, 1))
    residual = Blocked(channels[1], height, width, lanes, Halo(0, 1, 2, 0)) if epilogue.residual else None
    y = Blocked(channels[1], height, width, lanes, Halo(1, 0, 0, 2))
    return Winograd(Conv(Blocked(channels[0], *size, lanes, halo), y, window, 1, epilogue, residual))


def operands(w: Winograd, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The image, the weights and the bias."""
    x = rng.standard_normal((w.x.channels, w.x.height, w.x.width)).astype(np.float32)
    weight = rng.standard_normal((w.y.channels, w.x.channels, 3, 3)).astype(np.float32)
    return x, weight, rng.standard_normal(w.y.channels).astype(np.float32)


def direct(w: Winograd, x: Array, weight: Array, bias: Array) -> reference.Image:
    """The convolution in float64, without its epilogue."""
    image, filters, offsets = (array.astype(np.float64) for array in (x, weight, bias))
    return reference.conv(image, filters, offsets, w.window, 1, w.y.height, w.y.width)


def check(w: Winograd, target: str, rng: np.random.Generator, tile: Tile | None = None) -> None:
    x, weight, bias = operands(w, rng)
    expected = direct(w, x, weight, bias)
    residual = None
    if w.residual is not None:
        added = rng.standard_normal(expected.shape).astype(np.float32)
        residual, expected = (added, w.residual), expected + added
    if w.epilogue.activation is not None:
        expected = reference.ACTIVATIONS[w.epilogue.activation.name](expected, *w.epilogue.activation.parameters)
    assert_close(run(w, target, [(x, w.x)], [weight, bias], residual, tile), expected)


@pytest.mark.parametrize(
    ("channels", "size"),
    [
        ((1, 1), (1, 1)),
        ((3, 17), (2, 3)),
        ((17, 3), (4, 1)),
        ((32, 32), (4, 8)),
        ((17, 33), (5, 7)),
        ((64, 3), (6, 9)),
        ((70, 70), (13, 13)),
        ((64, 64), (30, 40)),
    ],
    ids=str,
)
def test_agrees_with_reference(
    channels: tuple[int, int], size: tuple[int, int], target: str, rng: np.random.Generator
) -> None:
    check(workload(find_target(target).lanes, channels, size), target, rng)


@pytest.mark.parametrize("size", range(1, 10))
@pytest.mark.parametrize("outputs", POINTS)
def test_every_remainder(outputs: int, size: int, rng: np.random.Generator) -> None:
    """Of rows and columns, and of image tiles in the last item."""
    w = workload(find_target("native").lanes, (5, 7), (size, 10 - size))
    check(w, "native", rng, Tile(outputs, 2, 2, 1, 1, 5))


@pytest.mark.parametrize(
    "tile",
    [
        Tile(2, 1, 1, 1, 1, 1),
        Tile(4, 6, 3, 2, 1, 4),
        Tile(4, 4, 4, 3, 2, 12),
        Tile(2, 35, 7, 2, 3, 6),
        Tile(4, 64, 8, 1, 5, 2),
    ],
    ids=str,
)
def test_tiles_that_stick_out(tile: Tile, rng: np.random.Generator) -> None:
    """Of the image, of the output's channels, and of both."""
    lanes = find_target("native").lanes
    check(workload(lanes, (12, 4 * lanes + 1), (7, 13)), "native", rng, tile)


@pytest.mark.parametrize(
    ("window", "halo"),
    [
        (Window((3, 3)), Halo()),
        (Window((3, 3), pad=(2, 2)), Halo(2, 2, 2, 2)),
        (Window((3, 3), pad=(1, 0)), Halo(1, 0, 1, 0)),
        (SAME, Halo(3, 2, 1, 4)),
    ],
    ids=["valid", "full", "rows", "wider-halo"],
)
@pytest.mark.parametrize("outputs", POINTS)
def test_windows_and_halos(outputs: int, window: Window, halo: Halo, rng: np.random.Generator) -> None:
    w = workload(find_target("native").lanes, (3, 17), (7, 9), window, halo=halo)
    check(w, "native", rng, Tile(outputs, 4, 2, 2, 1, 3))


@pytest.mark.parametrize(
    "epilogue", [Epilogue(), Epilogue(True), Epilogue(True, Activation("clip", (-0.5, 0.75)))], ids=str
)
def test_epilogues(epilogue: Epilogue, target: str, rng: np.random.Generator) -> None:
    check(workload(find_target(target).lanes, (17, 33), (7, 6), SAME, epilogue), target, rng)


@pytest.mark.parametrize("outputs", POINTS)
def test_rounding_stays_near_that_of_the_direct_convolution(outputs: int, rng: np.random.Generator) -> None:
    """Largest error in parts of the largest output; the direct convolution's is 4e-7 here."""
    w = workload(find_target("native").lanes, (256, 32), (16, 16), epilogue=Epilogue())
    x, weight, bias = operands(w, rng)
    x = np.maximum(x, 0)  # as after an activation
    expected = direct(w, x, weight, bias)
    actual = run(w, "native", [(x, w.x)], [weight, bias], tile=Tile(outputs, 8, 8, 2, 1, 8))
    assert_close(actual, expected, {2: 1e-6, 4: 3e-6}[outputs])


def test_items_share_no_output(rng: np.random.Generator) -> None:
    """Whatever thread computes them and in whatever order: the same bits."""
    w = workload(find_target("native").lanes, (17, 33), (9, 11), epilogue=Epilogue())
    kernel = compiled(w, "native", Tile(4, 2, 2, 1, 1, 1))
    x, weight, bias = operands(w, rng)
    buffers = [to_blocked(x, w.x), *registry.pack_constants(w, kernel.kernel.tile, [weight, bias])]
    whole, items = kernel(buffers), kernel(buffers, pieces=kernel.lowered.extent)
    np.testing.assert_array_equal(whole, items)
    assert kernel.lowered.extent > 9


def test_it_reads_nothing_beyond_its_input() -> None:
    """Where tiles stick out, rows and columns that exist are read again."""
    w = workload(8, (8, 8), (5, 5))
    assert overread_bytes(w, default_tile(w, find_target("x86-64-v3"))) == 0


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
@pytest.mark.parametrize("channels", [(64, 64), (512, 512), (3, 70)], ids=str)
def test_default_tiles_fit(channels: tuple[int, int], target: Target) -> None:
    for size in ((30, 40), (7, 7), (1, 1)):
        w = workload(target.lanes, channels, size)
        tile = default_tile(w, target)
        assert tile.columns * tile.vectors + tile.vectors + (5 if target.in_order else 1) <= target.vector_registers
        assert tile.tiles % tile.columns == 0
        assert w.x.channels % tile.unroll == 0
        assert winograd_tile._scratch_bytes(w, tile) <= max(
            target.l2_bytes // 2, winograd_tile._scratch_bytes(w, replace(tile, tiles=tile.columns))
        )


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_pays_where_there_are_channels_and_pixels(target: Target) -> None:
    assert decline(workload(target.lanes, (64, 64), (30, 40)).conv, target) is None
    assert decline(workload(target.lanes, (512, 512), (28, 28)).conv, target) is None


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
@pytest.mark.parametrize("case", [((1, 1), (64, 64)), ((1, 17), (13, 13)), ((64, 64), (1, 1))], ids=str)
def test_declines_where_transforms_or_weights_cost_more(
    case: tuple[tuple[int, int], tuple[int, int]], target: Target
) -> None:
    """Few channels: the transforms; one pixel: up to four times the weights for the same products."""
    reason = decline(workload(target.lanes, *case).conv, target)
    assert reason is not None
    assert "cycles by estimate" in reason


@pytest.mark.parametrize(
    "change",
    [
        {"groups": 2},
        {"window": Window((3, 3), (2, 2), pad=(1, 1))},
        {"window": Window((3, 3), dilation=(2, 2), pad=(2, 2))},
        {"window": Window((5, 5), pad=(2, 2))},
        {"window": Window((3, 1), pad=(1, 0))},
    ],
    ids=str,
)
def test_declines_other_convolutions(change: dict[str, object]) -> None:
    conv = replace(workload(8, (64, 64), (30, 40)).conv, **change)  # type: ignore[arg-type]
    assert decline(conv, find_target("x86-64-v3")) == "no dense 3x3 convolution of stride 1"


def test_declines_plain_images() -> None:
    conv = replace(workload(8, (3, 64), (224, 224)).conv, x=Plain((1, 3, 224, 224)))
    assert decline(conv, find_target("x86-64-v3")) == "it reads a plain image"


def test_mult_adds_are_those_of_the_convolution() -> None:
    w = workload(8, (3, 5), (4, 6))
    assert w.macs == w.conv.macs == 4 * 6 * 5 * 3 * 9
