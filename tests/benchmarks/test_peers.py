from __future__ import annotations

from importlib.util import find_spec

import pytest

from separable.benchmarks.environments import ENVIRONMENTS
from separable.benchmarks.peers import OURS, PEERS, find_peer


def test_ours_is_first() -> None:
    assert next(iter(PEERS)) == OURS


@pytest.mark.parametrize("name", [name for name, entry in PEERS.items() if entry.environment is None])
def test_peers_of_this_environment_are_whole(name: str) -> None:
    peer = find_peer(name)
    assert peer.TITLE
    assert callable(peer.open_session)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_its_modules_and_environments(name: str) -> None:
    entry = PEERS[name]
    assert find_spec(f"separable.benchmarks.peers.{name}")
    assert entry.environment is None or entry.environment in ENVIRONMENTS
    if entry.converts_in:
        assert entry.converts_in in ENVIRONMENTS
        assert find_spec(f"separable.benchmarks.converters.{name}")
