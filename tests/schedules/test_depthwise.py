from __future__ import annotations

import numpy as np
import pytest

from separable.schedules import depthwise
from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Depthwise, Window
from separable.targets.table import find_target
from tests.schedules import reference
from tests.schedules.harness import assert_close, run

THREE = Window((3, 3), pad=(1, 1))
ONE_AROUND = Halo(1, 1, 1, 1)


def workload(
    lanes: int, channels: int, size: tuple[int, int], window: Window, halo: Halo, epilogue: Epilogue | None = None
) -> Depthwise:
    """The halo below and to the right of the image is padding: the output is as large as it can be."""
    padded = (size[0] + window.pad[0] + halo.bottom, size[1] + window.pad[1] + halo.right)
    height, width = ((padded[axis] - window.reach(axis, 1)) // window.stride[axis] + 1 for axis in (0, 1))
    epilogue = epilogue or Epilogue()
    residual = Blocked(channels, height, width, lanes, Halo(0, 1, 2, 0)) if epilogue.residual else None
    y = Blocked(channels, height, width, lanes, Halo(1, 0, 0, 2))
    return Depthwise(Blocked(channels, *size, lanes, halo), y, window, epilogue, residual)


def check(w: Depthwise, target: str, rng: np.random.Generator, tile: depthwise.Tile | None = None) -> None:
    channels = w.x.channels
    x = rng.standard_normal((channels, w.x.height, w.x.width)).astype(np.float32)
    weight = rng.standard_normal((channels, 1, *w.window.size)).astype(np.float32)
    bias = rng.standard_normal(channels).astype(np.float32)
    expected = reference.conv(
        x.astype(np.float64),
        weight.astype(np.float64),
        bias.astype(np.float64),
        w.window,
        channels,
        w.y.height,
        w.y.width,
    )
    residual = None
    if w.residual is not None:
        added = rng.standard_normal(expected.shape).astype(np.float32)
        residual, expected = (added, w.residual), expected + added
    if w.epilogue.activation is not None:
        expected = reference.ACTIVATIONS[w.epilogue.activation.name](expected, *w.epilogue.activation.parameters)
    assert_close(run(w, target, [(x, w.x)], [weight, bias], residual, tile), expected)


@pytest.mark.parametrize(
    ("channels", "size", "window", "halo"),
    [
        (17, (13, 13), THREE, ONE_AROUND),
        (33, (7, 13), Window((3, 3), (2, 2), pad=(1, 1)), ONE_AROUND),
        (8, (14, 14), Window((3, 3), (2, 2)), Halo(0, 0, 1, 1)),
        (1, (1, 1), THREE, ONE_AROUND),
        (7, (2, 2), Window((5, 5), pad=(2, 2)), Halo(3, 2, 2, 4)),
        (3, (13, 7), Window((5, 5), (2, 1), pad=(1, 2)), Halo(1, 2, 2, 2)),
        (8, (13, 13), Window((3, 3), dilation=(2, 3), pad=(2, 3)), Halo(2, 3, 2, 3)),
        (7, (7, 7), Window((7, 1), pad=(3, 0)), Halo(3, 0, 3, 0)),
    ],
    ids=["3x3", "stride", "asymmetric", "one-pixel", "5x5", "5x5-asymmetric", "dilation", "7x1"],
)
def test_agrees_with_reference(
    channels: int, size: tuple[int, int], window: Window, halo: Halo, target: str, rng: np.random.Generator
) -> None:
    check(workload(find_target(target).lanes, channels, size, window, halo), target, rng)


@pytest.mark.parametrize(
    "epilogue",
    [Epilogue(True), Epilogue(activation=Activation("clip", (0.0, 6.0))), Epilogue(True, Activation("hard_swish"))],
    ids=str,
)
def test_epilogues(epilogue: Epilogue, target: str, rng: np.random.Generator) -> None:
    check(workload(find_target(target).lanes, 17, (7, 7), THREE, ONE_AROUND, epilogue), target, rng)


@pytest.mark.parametrize("tile", [(1, 1), (1, 16), (2, 4), (4, 3), (3, 5)])
def test_tiles_that_stick_out(tile: tuple[int, int], rng: np.random.Generator) -> None:
    w = workload(find_target("native").lanes, 33, (7, 13), Window((3, 3), (2, 1), pad=(1, 1)), ONE_AROUND)
    check(w, "native", rng, depthwise.Tile(*tile))


def test_images_beyond_the_caches(rng: np.random.Generator) -> None:
    """The lines of their outputs are asked for early, and those beyond the last one are nobody's."""
    check(workload(find_target("native").lanes, 61, (67, 101), THREE, ONE_AROUND), "native", rng)
