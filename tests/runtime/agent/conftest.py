from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from separable.compiler.tuning.sockets import Address
from tests.agents import Agent, build_host_agent, running_tracker

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="session")
def agent_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent under sanitizers, as all that these tests do to it is hostile."""
    return build_host_agent(tmp_path_factory.mktemp("agent") / "separable-agent", *SANITIZERS)


@pytest.fixture(scope="session")
def tracker() -> Iterator[Address]:
    with running_tracker() as address:
        yield address


@pytest.fixture
def agent(agent_program: Path, tmp_path: Path) -> Iterator[Agent]:
    """An agent without a tracker: its key is its match key."""
    with Agent(agent_program, None, "board", tmp_path / "work") as running:
        yield running
