from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from separable.benchmarks import contender
from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.peers.peer import Task
from separable.benchmarks.workload import Workload
from tests.agents import is_running, wait_until


@pytest.fixture
def cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))[:1]


@pytest.fixture
def task(workload: Workload) -> Task:
    return workload.task(workload.model, threads=1)


def test_takes_turns(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as opened:
        assert opened.title.startswith("ONNX Runtime 1.")
        assert opened.outputs["y"].tolist() == [[0, 0, 1, 2]]
        assert opened.costs.load_ms > 0
        assert opened.costs.first_run_ms > 0
        assert opened.costs.memory_mb > 1
        for runs in (1, 3):
            times = opened.take_turn(runs)
            assert len(times) == runs
            assert min(times) > 0


def test_its_process_is_stopped_between_turns(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as opened:
        opened.take_turn(1)
        os.waitpid(opened._process.pid, os.WUNTRACED)
        state = Path(f"/proc/{opened._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "T"


def test_closing_ends_the_process(task: Task, cpus: list[int]) -> None:
    with Contender("onnxruntime", task, cpus) as opened:
        pass
    assert opened._process.returncode == 0


def test_its_process_does_not_outlive_a_benchmark_that_is_killed(task: Task, cpus: list[int]) -> None:
    benchmark = os.fork()
    if benchmark == 0:
        try:
            opened = Contender("onnxruntime", task, cpus)
            task.model.with_name("pid").write_text(str(opened._process.pid))
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(benchmark, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    pid = int(task.model.with_name("pid").read_text())
    wait_until(lambda: not is_running(pid))


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
    with Contender("onnxruntime", task, cpus) as opened:
        opened._process.kill()
        with pytest.raises(ContenderFailed, match="its process ended with code -9"):
            opened.take_turn(1)


def test_missing_model(task: Task, cpus: list[int]) -> None:
    with pytest.raises(ContenderFailed, match="onnxruntime: "):
        Contender("onnxruntime", replace(task, model=Path("missing.onnx")), cpus)


def test_a_peer_that_never_answers(
    task: Task, cpus: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(contender, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(contender, "_CLOSE_SECONDS", 0.1)
    with pytest.raises(ContenderFailed, match=r"^onnxruntime: it gave no answer for 0.1 s$"):
        Contender("onnxruntime", task, cpus, python)
