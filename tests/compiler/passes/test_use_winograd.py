"""``conv3x3(x, w) => A^T [(G w G^T) * (B^T x B)] A``."""

from __future__ import annotations

import pytest

from separable.compiler.passes import use_winograd as module
from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.passes.fuse_epilogues import fuse_epilogues
from separable.compiler.program import Program, Step
from separable.compiler.report import layer_type
from separable.schedules.workload import Conv, Winograd
from separable.targets.table import find_target
from tests.compiler.programs import conv, elementwise, image, kinds, pool

TARGET = find_target("arm64:cortex-a53")


def rewrite(steps: list[Step], enabled: bool = True) -> Program:
    program = Program([image("x", 64, 28)], [steps[-1].output], steps)
    return module.use_winograd(assign_halos(fuse_epilogues(program)), TARGET, enabled)


def steps() -> list[Step]:
    """A pointwise convolution, a 3x3 one whose input it makes, and what the latter is added to."""
    first = conv(image("x", 64, 28), "first", 64)
    second = conv(first.output, "second", 64, pad=1)
    return [first, second, elementwise("add", [second.output, first.output], "sum")]


def test_a_3x3_convolution() -> None:
    program = rewrite(steps())
    assert kinds(program) == ["Conv", "Winograd"]
    w, before = program.steps[1].workload, program.steps[0].output.tensor
    assert isinstance(w, Winograd)
    assert (w.x, w.y, w.residual) == (before, program.steps[1].output.tensor, before)


def test_operands_stay_and_reports_tell_of_the_convolution() -> None:
    (_, before), (_, after) = rewrite(steps(), enabled=False).steps, rewrite(steps()).steps
    assert after.nodes == before.nodes == ("second", "sum")
    assert [value.name for value in after.inputs] == ["first", "first"]
    assert [array.shape for array in after.constants] == [array.shape for array in before.constants]
    (part,) = after.parts
    assert isinstance(part.workload, Conv)
    assert layer_type(part) == "Conv 3x3"
    assert part.workload.macs == after.workload.macs


def test_switched_off() -> None:
    assert kinds(rewrite(steps(), enabled=False)) == ["Conv", "Conv"]


def test_what_does_not_pay_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "decline", lambda workload, target: "too few channels")
    assert kinds(rewrite(steps())) == ["Conv", "Conv"]


def test_other_steps_stay() -> None:
    first = conv(image("x", 64, 28), "first", 64, pad=2)
    assert kinds(rewrite([first, pool(first.output, "pool")])) == ["Conv", "Pool"]
