"""The counts of every kind of kernel, against what the workload asks for."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from separable.schedules import conv, depthwise
from separable.schedules.cost import Cost, core_cycles
from separable.schedules.costs import cost_of
from separable.schedules.registry import build_kernel
from separable.schedules.workload import Conv, Depthwise, Workload
from separable.targets.row import Target
from separable.targets.table import all_targets, find_target
from tests.schedules.workloads import mobilenet, one_of_each

ROWS = [find_target(name) for name in ("x86-64:znver4", "x86-64-v2", "arm64:cortex-a55", "armv7:cortex-a53")]
rows = pytest.mark.parametrize("target", ROWS, ids=lambda target: target.name)


def cost(w: Workload, target: Target) -> Cost:
    return cost_of(w, build_kernel(w, target).tile, target)


@rows
def test_every_kind_of_kernel_costs_something_finite(target: Target) -> None:
    for kind, w in one_of_each(target.lanes).items():
        counted = cost(w, target)
        numbers = [getattr(counted, field.name) for field in fields(counted) if field.name != "repeated"]
        assert all(math.isfinite(number) and number >= 0 for number in numbers), kind
        assert 0 < core_cycles(counted, target) < math.inf, kind


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_layers_of_mobilenet_multiply_what_they_must_and_little_more(target: Target) -> None:
    for w in mobilenet(target.lanes, 1.0, 224):
        if isinstance(w, Conv | Depthwise) and w.y.height >= 14:
            tile = conv.default_tile(w, target) if isinstance(w, Conv) else depthwise.default_tile(w, target)
            counted = cost_of(w, tile, target)
            assert w.macs <= counted.products * target.lanes <= 1.2 * w.macs
            assert core_cycles(counted, target) >= counted.products / target.fma_per_cycle


@rows
def test_the_kinds_with_products_name_the_loop_that_holds_them(target: Target) -> None:
    for kind, w in one_of_each(target.lanes).items():
        counted = cost(w, target)
        assert bool(counted.products) == bool(counted.loop_products), kind
        assert counted.loop_products <= counted.tile_products, kind
