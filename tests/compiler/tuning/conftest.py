from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from separable.compiler.tuning.sockets import Address
from tests.agents import build_host_agent, running_tracker


@pytest.fixture(scope="session")
def agent_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent for this machine."""
    return build_host_agent(tmp_path_factory.mktemp("agent") / "separable-agent")


@pytest.fixture(scope="session")
def tracker() -> Iterator[Address]:
    """A tracker for tests that leave it alone; each uses a key of its own."""
    with running_tracker() as address:
        yield address
