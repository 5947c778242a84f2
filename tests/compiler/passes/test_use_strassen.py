"""``conv1x1(x, w) => strassen(x, sums(x), w)``."""

from __future__ import annotations

import pytest

from separable.compiler.passes import use_strassen as module
from separable.compiler.passes.assign_halos import assign_halos
from separable.compiler.passes.fuse_epilogues import fuse_epilogues
from separable.compiler.plan_memory import peak_bytes
from separable.compiler.program import Program, Step
from separable.compiler.report import layer_type
from separable.schedules.workload import Conv, Strassen
from separable.targets.table import find_target
from tests.compiler.programs import conv, elementwise, image, kinds

TARGET = find_target("x86-64-v3")


@pytest.fixture(autouse=True)
def _always_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("separable.schedules.strassen_tile._WORTH_IT", float("inf"))


def rewrite(steps: list[Step], enabled: bool = True) -> Program:
    program = Program([image("x", 64, 8)], [steps[-1].output], steps)
    return module.use_strassen(assign_halos(fuse_epilogues(program)), TARGET, enabled)


def steps() -> list[Step]:
    """A wide convolution, with room for the sums of the next one, and what the latter is added to."""
    wide = conv(image("x", 64, 8), "wide", 512)
    first = conv(wide.output, "first", 64)
    second = conv(first.output, "second", 64)
    return [wide, first, second, elementwise("add", [second.output, first.output], "sum")]


def test_a_1x1_convolution_becomes_two_steps() -> None:
    program = rewrite(steps())
    assert kinds(program)[-2:] == ["StrassenInputs", "Strassen"]
    sums, products = program.steps[-2:]
    assert isinstance(products.workload, Strassen)
    assert products.workload.x == sums.output.tensor
    assert products.inputs[1] is sums.output
    assert [value.name for value in products.inputs] == ["first", "sum_sums", "first"]


def test_reports_tell_of_the_convolution() -> None:
    before, after = rewrite(steps(), enabled=False).steps[-1], rewrite(steps()).steps[-1]
    assert after.nodes == before.nodes == ("second", "sum")
    assert [array.shape for array in after.constants] == [array.shape for array in before.constants]
    (part,) = after.parts
    assert isinstance(part.workload, Conv)
    assert layer_type(part) == "Conv 1x1"
    assert part.workload.macs == after.workload.macs


def test_the_arena_does_not_grow() -> None:
    """The widest step has no room for sums."""
    before, after = rewrite(steps(), enabled=False), rewrite(steps())
    assert peak_bytes(after) == peak_bytes(before)
    assert kinds(after)[:2] == ["Conv", "Conv"]


def test_switched_off() -> None:
    assert set(kinds(rewrite(steps(), enabled=False))) == {"Conv"}


def test_what_does_not_pay_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "decline", lambda workload, target: "too few channels")
    assert set(kinds(rewrite(steps()))) == {"Conv"}
