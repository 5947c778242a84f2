from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from separable.schedules.elementwise import OPERATIONS
from separable.schedules.epilogue import ACTIVATIONS, Activation
from separable.schedules.tensor import Blocked, Halo
from separable.schedules.workload import Elementwise
from separable.targets.table import find_target
from tests.schedules import reference
from tests.schedules.harness import assert_close, run

NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "prelu": lambda a, b: np.where(a > 0, a, a * b),
}
SIZE = (17, 7, 13)


def test_all_operations_are_tested() -> None:
    assert set(NUMPY) | {"identity"} == set(OPERATIONS)


@pytest.mark.parametrize("operation", NUMPY)
@pytest.mark.parametrize("second", ["image", "pixel", "constant"])
def test_two_operands(operation: str, second: str, rng: np.random.Generator) -> None:
    check_two(operation, second, operation in ("subtract", "divide"), "native", rng)


@pytest.mark.parametrize("second", ["image", "pixel", "constant"])
def test_operands(second: str, target: str, rng: np.random.Generator) -> None:
    check_two("subtract", second, False, target, rng)


def check_two(operation: str, second: str, swapped: bool, target: str, rng: np.random.Generator) -> None:
    lanes = find_target(target).lanes
    first = Blocked(*SIZE, lanes, Halo(1, 0, 0, 2))
    y = Blocked(*SIZE, lanes, Halo(0, 2, 1, 1))
    a = rng.standard_normal(SIZE).astype(np.float32)
    shape = SIZE if second == "image" else (SIZE[0], 1, 1)
    b = 1 + rng.random(shape, np.float32)
    inputs, constants = [(a, first)], []
    if second == "constant":
        constants = [b[:, 0, 0]]
    else:
        inputs.append((b, Blocked(*shape, lanes, Halo(2, 1, 0, 0))))
    images = tuple(tensor for _, tensor in inputs)
    w = Elementwise(operation, images, y, second == "constant", swapped, Activation("relu"))
    operands = (b.astype(np.float64), a.astype(np.float64)) if swapped else (a.astype(np.float64), b.astype(np.float64))
    expected = np.maximum(NUMPY[operation](*operands), 0)
    assert_close(run(w, target, inputs, constants), expected)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, rng: np.random.Generator) -> None:
    lanes = find_target("native").lanes
    parameters = {"clip": (-0.5, 0.75), "leaky_relu": (0.1,), "hard_sigmoid": (0.2, 0.5)}.get(name, ())
    tensor = Blocked(3, 5, 2, lanes)
    x = rng.standard_normal((3, 5, 2)).astype(np.float32)
    if name == "sqrt":
        x = np.abs(x)
    w = Elementwise("identity", (tensor,), tensor, activation=Activation(name, parameters))
    assert_close(run(w, "native", [(x, tensor)]), reference.ACTIVATIONS[name](x.astype(np.float64), *parameters))
