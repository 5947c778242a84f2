"""``pointwise(depthwise(x)) => depthwise_pointwise(x)``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from separable.compiler.passes import fuse_depthwise_pointwise as module
from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.passes.fuse_epilogues import fuse_epilogues
from separable.compiler.program import Program, Step, Value
from separable.schedules.workload import Conv, Window
from separable.targets.table import find_target
from tests.compiler.programs import conv, depthwise, elementwise, image

TARGET = find_target("arm64:cortex-a53")


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "decline", lambda workload, target: None)


def fuse(steps: list[Step], *outputs: Value) -> list[str]:
    """The steps after the pass, without layouts."""
    program = assign_halos(Program([image("x")], list(outputs) or [steps[-1].output], steps))
    lines = module.fuse_depthwise_pointwise(program, TARGET).script().splitlines()[1:]
    return [line.partition(" = ")[2] for line in lines if " = " in line]


def test_a_pair() -> None:
    stem = conv(image("x"), "stem")
    first = depthwise(stem.output, "dw")
    assert fuse([stem, first, conv(first.output, "pw")]) == [
        "Conv(x)  # stem",
        "DepthwisePointwise(stem)  # dw+pw",
    ]


def test_a_pair_with_a_residual() -> None:
    stem = conv(image("x"), "stem")
    first = depthwise(stem.output, "dw")
    second = conv(first.output, "pw")
    total = elementwise("add", [second.output, stem.output], "sum")
    steps = fuse_epilogues(Program([image("x")], [total.output], [stem, first, second, total])).steps
    assert fuse(steps)[1:] == ["DepthwisePointwise(stem, stem)  # dw+pw+sum"]


def test_an_image_that_somebody_else_reads_stays() -> None:
    first = depthwise(conv(image("x"), "stem").output, "dw")
    second, other = conv(first.output, "pw"), conv(first.output, "other")
    assert len(fuse([first, second, other], second.output, other.output)) == 3
    assert len(fuse([first, second], first.output, second.output)) == 2


def test_a_wider_window_after_it_stays() -> None:
    first = depthwise(conv(image("x"), "stem").output, "dw")
    assert len(fuse([first, conv(first.output, "conv", pad=1)])) == 2


def test_a_pointwise_convolution_that_pads_stays() -> None:
    """It computes pixels around the image that the depthwise one does not have."""
    first = depthwise(conv(image("x"), "stem").output, "dw")
    second = conv(first.output, "pw")
    workload = second.workload
    assert isinstance(workload, Conv)
    y = replace(workload.y, height=6, width=6)
    second.workload, second.output.tensor = replace(workload, y=y, window=Window((1, 1), pad=(1, 1))), y
    assert len(fuse([first, second])) == 2


def test_where_the_caches_hold_the_image_between_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "decline", lambda workload, target: "it stays in the cache")
    first = depthwise(conv(image("x"), "stem").output, "dw")
    assert len(fuse([first, conv(first.output, "pw")])) == 2


@pytest.mark.parametrize(("grown", "steps"), [(100, 1), (101, 2)])
def test_the_arena_does_not_grow_for_it(monkeypatch: pytest.MonkeyPatch, grown: int, steps: int) -> None:
    """Fused, input and output are alive at once; here both are larger than the image between."""
    sizes = iter([100, grown])
    monkeypatch.setattr(module, "peak_bytes", lambda program: next(sizes))
    first = depthwise(conv(image("x"), "stem").output, "dw")
    assert len(fuse([first, conv(first.output, "pw")])) == steps
