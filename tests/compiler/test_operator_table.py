"""The page of operators: up to date, and right about the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separable.compiler.exprs import Array
from separable.compiler.operator_table import KERNELS, operator_table
from separable.compiler.operators import CONVERTERS
from separable.schedules.workload import Reorder

from .models import node, random
from .programs import kinds, lower

ROOT = Path(__file__).parents[2]
IMAGE = {"x": [1, 16, 2, 2]}
POINTWISE = node("Conv", "x w", "a", "conv")
STATISTICS = {name: random(16, seed=seed) ** 2 for seed, name in enumerate("sbmv")}
OPERANDS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Array]]] = {
    "AveragePool": ("a", {"kernel_shape": [2, 2]}, {}),
    "BatchNormalization": ("a s b m v", {}, STATISTICS),
    "Clip": ("a l h", {}, {"l": np.array(-1, np.float32), "h": np.array(1, np.float32)}),
    "LRN": ("a", {"size": 3}, {}),
    "MaxPool": ("a", {"kernel_shape": [2, 2]}, {}),
    "ReduceMax": ("a", {"axes": [2, 3]}, {}),
    "ReduceMean": ("a", {"axes": [2, 3]}, {}),
    **dict.fromkeys(("Add", "Div", "Max", "Min", "Mul", "Sub", "Sum"), ("a c", {}, {"c": random(16, 1, 1, seed=3)})),
}
"""Operands after a convolution, attributes and weights; by default ``a`` only."""
KINDS = {"elementwise": "Elementwise", "global_pool": "GlobalPool", "lrn": "Lrn", "pool": "Pool"}


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "operators.md").read_text()
    assert page == operator_table(), "write it anew: separable operators > docs/operators.md"


def test_kernels_are_of_operators_that_are_compiled() -> None:
    assert KERNELS.keys() - CONVERTERS.keys() == set()


# HardSwish is newer than the operator set of these models.
@pytest.mark.parametrize(
    "name", [op for op, kernel in KERNELS.items() if kernel.split()[0] in KINDS and op != "HardSwish"]
)
def test_an_image_has_the_kernel(name: str, tmp_path: Path) -> None:
    operands, attributes, weights = OPERANDS.get(name, ("a", {}, {}))
    nodes = [POINTWISE, node(name, operands, **attributes)]
    program = lower(tmp_path, nodes, IMAGE, weights={"w": random(16, 16, 1, 1), **weights})
    assert KINDS[KERNELS[name].split()[0]] in kinds(program)
    assert "Generic" not in kinds(program)


@pytest.mark.parametrize("name", ["Cast", "Dropout", "Flatten", "Identity"])
def test_nothing_is_computed(name: str, tmp_path: Path) -> None:
    attributes: dict[str, Any] = {"to": 1} if name == "Cast" else {}
    nodes = [POINTWISE, node(name, "a", **attributes)]
    program = lower(tmp_path, nodes, IMAGE, weights={"w": random(16, 16, 1, 1)})
    assert [step for step in program.steps[2:] if not isinstance(step.workload, Reorder)] == []
