from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.peers.peer import Task
from separable.benchmarks.workload import Workload


@pytest.fixture
def cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))[:1]


@pytest.fixture
def task(workload: Workload) -> Task:
    return workload.task(workload.model, threads=1)


def test_takes_turns(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as contender:
        assert contender.title.startswith("ONNX Runtime 1.")
        assert contender.outputs["y"].tolist() == [[0, 0, 1, 2]]
        assert contender.costs.load_ms > 0
        assert contender.costs.first_run_ms > 0
        assert contender.costs.memory_mb > 1
        for runs in (1, 3):
            times = contender.take_turn(runs)
            assert len(times) == runs
            assert min(times) > 0


def test_its_process_is_stopped_between_turns(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as contender:
        contender.take_turn(1)
        os.waitpid(contender._process.pid, os.WUNTRACED)
        state = Path(f"/proc/{contender._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "T"


def test_closing_ends_the_process(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as contender:
        pass
    assert contender._process.returncode == 0


def test_a_peer_that_cannot_run_says_why(workload: Workload, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match=r"^ours: ModelError: .*relu.so is not a shared library"):
        Contender("ours", workload.task(workload.library, threads=1), cpus)


def test_a_peer_that_is_not_installed(task: Task, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match=r"^ncnn: ModuleNotFoundError: "):
        Contender("ncnn", task, cpus)


def test_an_interpreter_that_cannot_serve(task: Task, cpus: list[int], tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no module >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(ContenderFailed, match=r"its process ended with code 3: no module$"):
        Contender("onnxruntime", task, cpus, python)


def test_a_process_that_dies(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as contender:
        contender._process.kill()
        with pytest.raises(ContenderFailed, match="its process ended with code -9"):
            contender.take_turn(1)


def test_missing_model(task: Task, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match="onnxruntime: "):
        Contender("onnxruntime", replace(task, model=Path("missing.onnx")), cpus)
