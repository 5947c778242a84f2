from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.peers import PEERS, find_peer
from separable.benchmarks.peers.peer import Task


@pytest.fixture
def cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))[:1]


def test_takes_turns(task: Task, cpus: list[int]) -> None:
    with Contender("onnx_runtime", task, cpus) as contender:
        assert contender.title.startswith("ONNX Runtime 1.")
        assert contender.outputs["y"].tolist() == [[0, 0, 1, 2]]
        for runs in (1, 3):
            times = contender.take_turn(runs)
            assert len(times) == runs
            assert min(times) > 0


def test_closing_ends_the_process(task: Task, cpus: list[int]) -> None:
    with Contender("onnx_runtime", task, cpus) as contender:
        pass
    assert contender._process.exitcode == 0


def test_a_peer_that_cannot_run_says_why(task: Task, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match=r"^ours: ModelError: .*relu.so is not a shared library"):
        Contender("ours", task, cpus)


def test_a_peer_that_is_not_installed(task: Task, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match=r"^nobody: ModuleNotFoundError: "):
        Contender("nobody", task, cpus)


def test_a_process_that_dies(task: Task, cpus: list[int]) -> None:
    with Contender("onnx_runtime", task, cpus) as contender:
        contender._process.kill()
        with pytest.raises(ContenderFailed, match="its process ended with code -9"):
            contender.take_turn(1)


def test_missing_model(task: Task, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match="onnx_runtime: "):
        Contender("onnx_runtime", replace(task, model=Path("missing.onnx")), cpus)


@pytest.mark.parametrize("name", PEERS)
def test_peers_are_whole(name: str) -> None:
    peer = find_peer(name)
    assert peer.TITLE
    assert callable(peer.open_session)
