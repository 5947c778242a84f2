from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from separable.schedules import conv
from separable.schedules.epilogue import ACTIVATIONS, Activation, Epilogue
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import Conv, Window
from separable.targets.table import find_target, find_variants
from tests.schedules import reference
from tests.schedules.harness import assert_close, run, runnable_targets

PARAMETERS = {"clip": (-0.5, 0.75), "leaky_relu": (0.1,), "hard_sigmoid": (0.2, 0.5)}


@dataclass(frozen=True)
class Case:
    """One convolution; ``after`` is the padding below and to the right, ``plain`` reads NCHW."""

    channels: tuple[int, int]
    size: tuple[int, int]
    window: Window
    after: tuple[int, int] = (0, 0)
    groups: int = 1
    plain: bool = False
    spare: Halo = field(default_factory=Halo)

    @property
    def output(self) -> tuple[int, int]:
        outputs = [1, 1]
        for axis in (0, 1):
            room = self.size[axis] + self.window.pad[axis] + self.after[axis] - self.window.reach(axis, 1)
            outputs[axis] = room // self.window.stride[axis] + 1
        return outputs[0], outputs[1]

    def workload(self, lanes: int, epilogue: Epilogue | None = None) -> Conv:
        """The halo of the input is what the window needs and ``spare``."""
        (channels, out_channels), (height, width) = self.channels, self.size
        halo = Halo(*self.window.pad, *self.after).union(self.spare)
        x = Plain((1, channels, height, width)) if self.plain else Blocked(channels, height, width, lanes, halo)
        y = Blocked(out_channels, *self.output, lanes, self.spare)
        epilogue = epilogue or Epilogue()
        residual = Blocked(out_channels, *self.output, lanes, Halo(1, 0, 0, 2)) if epilogue.residual else None
        return Conv(x, y, self.window, self.groups, epilogue, residual)


def check(w: Conv, target: str, rng: np.random.Generator, tile: conv.Tile | None = None) -> None:
    height, width = (w.x.height, w.x.width) if isinstance(w.x, Blocked) else w.x.shape[2:]
    x = rng.standard_normal((w.in_channels, height, width)).astype(np.float32)
    weight = rng.standard_normal((w.y.channels, w.in_channels // w.groups, *w.window.size)).astype(np.float32)
    bias = rng.standard_normal(w.y.channels).astype(np.float32)
    expected = reference.conv(
        x.astype(np.float64),
        weight.astype(np.float64),
        bias.astype(np.float64),
        w.window,
        w.groups,
        w.y.height,
        w.y.width,
    )
    residual = None
    if w.residual is not None:
        added = rng.standard_normal(expected.shape).astype(np.float32)
        residual, expected = (added, w.residual), expected + added
    if w.epilogue.activation is not None:
        activation = w.epilogue.activation
        with np.errstate(invalid="ignore", over="ignore"):
            expected = reference.ACTIVATIONS[activation.name](expected, *activation.parameters)
    image = x if isinstance(w.x, Blocked) else x[None]
    actual = run(w, target, [(image, w.x)], [weight, bias], residual, tile)
    assert_close(actual, expected)


ONE, THREE = Window((1, 1)), Window((3, 3), pad=(1, 1))
CASES = {
    "1x1": Case((33, 40), (13, 7), ONE),
    "1x1-one-pixel": Case((17, 100), (1, 1), ONE),
    "1x1-one-channel": Case((1, 1), (2, 2), ONE),
    "1x1-stride": Case((8, 17), (13, 13), Window((1, 1), (2, 2))),
    "1x1-halo": Case((17, 33), (7, 7), ONE, spare=Halo(1, 2, 0, 1)),
    "3x3": Case((8, 33), (13, 13), THREE, (1, 1)),
    "3x3-stride": Case((17, 8), (13, 7), Window((3, 3), (2, 2), pad=(1, 1)), (1, 1)),
    "3x3-asymmetric": Case((7, 17), (7, 13), Window((3, 3), (2, 1), pad=(0, 2)), (1, 0)),
    "3x3-dilation": Case((3, 8), (13, 13), Window((3, 3), dilation=(2, 3), pad=(2, 3)), (2, 3)),
    "3x3-one-pixel": Case((33, 17), (1, 1), THREE, (1, 1)),
    "5x5": Case((7, 7), (7, 7), Window((5, 5), pad=(2, 2)), (2, 2), spare=Halo(3, 2, 2, 4)),
    "1x7": Case((3, 17), (2, 13), Window((1, 7), pad=(0, 3)), (0, 3)),
    "groups": Case((32, 64), (7, 7), THREE, (1, 1), groups=2),
    "groups-odd": Case((21, 33), (7, 7), THREE, (1, 1), groups=3),
    "groups-tiny": Case((34, 34), (7, 2), ONE, groups=17),
    "groups-multiplier": Case((7, 21), (7, 7), THREE, (1, 1), groups=7),
    "plain": Case((3, 32), (14, 16), Window((3, 3), (2, 2), pad=(1, 1)), (1, 1), plain=True),
    "plain-odd": Case((3, 17), (13, 7), THREE, (1, 1), plain=True),
    "plain-asymmetric": Case((1, 8), (13, 16), Window((5, 5), (2, 2), pad=(1, 2)), (2, 1), plain=True),
    "plain-1x1": Case((3, 8), (7, 8), ONE, plain=True, spare=Halo(1, 1, 1, 1)),
    "plain-valid": Case((7, 33), (13, 13), Window((3, 3)), plain=True),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_reference(name: str, target: str, rng: np.random.Generator) -> None:
    check(CASES[name].workload(find_target(target).lanes), target, rng)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "sqrt"])
@pytest.mark.parametrize("residual", [False, True])
def test_epilogues(name: str, residual: bool, rng: np.random.Generator) -> None:
    epilogue = Epilogue(residual, Activation(name, PARAMETERS.get(name, ())))
    case = Case((3, 17), (7, 7), ONE if residual else THREE, (0, 0) if residual else (1, 1))
    check(case.workload(find_target("native").lanes, epilogue), "native", rng)


@pytest.mark.parametrize("name", ["1x1-halo", "3x3-stride", "groups-odd", "plain-odd"])
def test_residual_without_activation(name: str, target: str, rng: np.random.Generator) -> None:
    check(CASES[name].workload(find_target(target).lanes, Epilogue(residual=True)), target, rng)


@pytest.mark.parametrize(("channels", "unroll"), [(32, 8), (48, 16), (64, 8)])
@pytest.mark.parametrize("window", [ONE, THREE], ids=["1x1", "3x3"])
def test_streams_of_input_channels(channels: int, unroll: int, window: Window, rng: np.random.Generator) -> None:
    if "x86-64-v2" not in runnable_targets():
        pytest.skip("only blocks of four channels are read in streams, and this machine has no such row")
    w = Case((channels, 17), (5, 7), window, window.pad).workload(lanes=4)
    tile = conv.Tile(rows=1, columns=3, vectors=2, unroll=unroll, pixels_outer=False)
    assert conv.streams(w, tile) == unroll // 4
    check(w, "x86-64-v2", rng, tile)


@pytest.mark.parametrize("pixels_outer", [False, True])
@pytest.mark.parametrize(("vectors", "panel"), [(1, 2), (2, 4), (3, 1), (4, 2), (1, 8)])
@pytest.mark.parametrize("name", ["1x1", "3x3", "plain-odd", "1x1-one-pixel"])
def test_panels_of_another_size_than_the_tile(
    name: str, vectors: int, panel: int, pixels_outer: bool, rng: np.random.Generator
) -> None:
    case = CASES[name]
    w = case.workload(find_target("native").lanes)
    check(w, "native", rng, conv.Tile(1, min(3, w.y.width), vectors, 1, pixels_outer, panel))


@pytest.mark.parametrize("channels", [(64, 48), (64, 33), (8, 1001)])
def test_targets_that_agree_on_a_panel_share_their_weights(channels: tuple[int, int], rng: np.random.Generator) -> None:
    """The same bytes, up to how many zeros fill the last register tile, whatever the lanes."""
    weight, bias = rng.standard_normal((channels[1], channels[0], 1, 1)).astype(np.float32), np.zeros(channels[1])
    packed, tiles = set(), set()
    for row in find_variants("x86-64").rows:
        w = Case(channels, (14, 14), ONE).workload(row.lanes)
        tile = conv.default_tile(w, row)
        tiles.add(tile.vectors * row.lanes)
        packed.add(conv.pack(w, tile, weight, bias.astype(np.float32))[0].tobytes().rstrip(b"\0"))
    assert len(packed) == 1
    assert len(tiles) > 1


@pytest.mark.parametrize("pixels_outer", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 6, 2, 8), (2, 4, 1, 1), (3, 5, 2, 4), (4, 7, 1, 16)])
@pytest.mark.parametrize("name", ["1x1", "3x3", "plain-odd"])
def test_tiles_that_stick_out(
    name: str, shape: tuple[int, int, int, int], pixels_outer: bool, rng: np.random.Generator
) -> None:
    case = CASES[name]
    rows, columns, vectors, unroll = shape
    unroll = max(d for d in range(1, unroll + 1) if case.channels[0] % d == 0)
    tile = conv.Tile(rows, columns, vectors, unroll, pixels_outer)
    check(case.workload(find_target("native").lanes), "native", rng, tile)
