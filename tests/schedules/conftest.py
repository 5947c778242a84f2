"""Fixtures of the schedule tests."""

from __future__ import annotations

import numpy as np
import pytest

from tests.schedules.harness import runnable_targets


@pytest.fixture(params=runnable_targets())
def target(request: pytest.FixtureRequest) -> str:
    """Every row this machine can run code for."""
    return str(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
