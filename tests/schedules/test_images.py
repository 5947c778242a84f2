"""Several images at once: each comes out as it does alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from separable.schedules.epilogue import Activation, Epilogue
from separable.schedules.tensor import Blocked, Halo, Plain
from separable.schedules.workload import (
    Conv,
    Depthwise,
    Elementwise,
    GlobalPool,
    Pool,
    Reorder,
    Resize,
    Window,
    Workload,
)
from separable.targets.table import find_target
from tests.schedules.harness import run

IMAGES = 3
AROUND, SPARE = Halo(1, 1, 1, 1), Halo(0, 1, 2, 0)
ONE, THREE = Window((1, 1)), Window((3, 3), pad=(1, 1))
RELU = Epilogue(activation=Activation("relu"))
ADDED = Epilogue(residual=True, activation=Activation("clip", (-0.5, 0.75)))


def workloads(lanes: int) -> dict[str, Workload]:
    """For one image each; 19 channels fill no block, 35 pixels no tile."""
    image, around = Blocked(19, 5, 7, lanes), Blocked(19, 5, 7, lanes, AROUND)
    wide, half = Blocked(33, 5, 7, lanes, SPARE), Blocked(33, 3, 4, lanes)
    pixel = Blocked(19, 1, 1, lanes)
    two = Window((3, 3), (2, 2), pad=(1, 1))
    return {
        "pointwise": Conv(image, Blocked(33, 5, 7, lanes), ONE, epilogue=RELU),
        "pointwise-halo": Conv(image, wide, ONE, epilogue=ADDED, residual=Blocked(33, 5, 7, lanes, AROUND)),
        "pointwise-many": Conv(replace(image, channels=8 * lanes), replace(image, channels=9 * lanes), ONE),
        "pointwise-pixel": Conv(pixel, Blocked(33, 1, 1, lanes), ONE),
        "conv": Conv(around, wide, THREE, epilogue=RELU),
        "conv-stride": Conv(around, half, two),
        "conv-groups": Conv(replace(around, channels=18), replace(wide, channels=33), THREE, groups=3),
        "depthwise": Depthwise(around, replace(image, halo=SPARE), THREE, ADDED, image),
        "depthwise-stride": Depthwise(around, Blocked(19, 3, 4, lanes), two, RELU),
        "max": Pool("max", around, Blocked(19, 3, 4, lanes, SPARE), two),
        "avg": Pool("avg", image, Blocked(19, 3, 4, lanes), two),
        "global_pool": GlobalPool("avg", around, pixel),
        "constant": Elementwise("multiply", (around,), image, constant=True, activation=Activation("relu")),
        "scale": Elementwise("multiply", (image, pixel), around),
        "resize": Resize(around, Blocked(19, 10, 7, lanes, SPARE)),
        "to-plain": Reorder(around, Plain((1, 19, 5, 7))),
        "to-channels-last": Reorder(image, Plain((1, 5, 7, 19)), channels_last=True),
        "pixel-to-plain": Reorder(pixel, Plain((1, 19, 1, 1))),
        "to-blocked": Reorder(Plain((1, 19, 5, 7)), around),
        "to-blocked-whole": Reorder(Plain((1, 19, 5, 7)), image),
    }


def together(tensor: Any) -> Any:
    """The layout of several images."""
    if isinstance(tensor, tuple):
        return tuple(together(item) for item in tensor)
    return replace(tensor, images=IMAGES) if isinstance(tensor, Blocked) else Plain((IMAGES, *tensor.shape[1:]))


@pytest.mark.parametrize("kind", workloads(1))
def test_as_alone(kind: str, rng: np.random.Generator) -> None:
    alone: Any = workloads(find_target("native").lanes)[kind]
    changed = {"x": together(alone.x), "y": together(alone.y)}
    if getattr(alone, "residual", None) is not None:
        changed["residual"] = together(alone.residual)
    several = replace(alone, **changed)
    channels = alone.y.channels if isinstance(alone.y, Blocked) else 0
    constants = []
    if isinstance(alone, Conv | Depthwise):
        groups = alone.groups if isinstance(alone, Conv) else channels
        assert isinstance(alone.x, Blocked)
        constants = [random(rng, channels, alone.x.channels // groups, *alone.window.size), random(rng, channels)]
    if isinstance(alone, Elementwise) and alone.constant:
        constants = [random(rng, channels)]
    layouts = alone.x if isinstance(alone.x, tuple) else (alone.x,)
    inputs = [random(rng, IMAGES, *shape(layout)) for layout in layouts]
    residual = random(rng, IMAGES, *shape(alone.residual)) if "residual" in changed else None
    outputs = run(
        several,
        "native",
        [(array, together(layout)) for array, layout in zip(inputs, layouts, strict=True)],
        constants,
        None if residual is None else (residual, changed["residual"]),
    )
    assert abs(several.macs - IMAGES * alone.macs) < IMAGES  # some are counted by halves
    for n in range(IMAGES):
        added = None if residual is None else (residual[n], alone.residual)
        expected = run(
            alone, "native", [(of(array[n], x), x) for array, x in zip(inputs, layouts, strict=True)], constants, added
        )
        # The order of sums may differ, as the default tile may.
        np.testing.assert_allclose(outputs[n], expected.reshape(outputs[n].shape), rtol=1e-5, atol=1e-5)


def random(rng: np.random.Generator, *size: int) -> Any:
    return rng.standard_normal(size).astype(np.float32)


def shape(tensor: Blocked | Plain) -> tuple[int, ...]:
    """Of one image."""
    return (tensor.channels, tensor.height, tensor.width) if isinstance(tensor, Blocked) else tensor.shape[1:]


def of(image: Any, tensor: Blocked | Plain) -> Any:
    return image if isinstance(tensor, Blocked) else image[None]
