"""A compiled model in a C program: built, run, and its complaints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from separable.benchmarks.costs import Costs
from separable.benchmarks.peers.peer import Array, Task
from separable.benchmarks.program import ProgramFailed, build_program, parse_costs, run_program
from separable.benchmarks.workload import Workload, prepare_workload

from ..compiler.tiny import save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    folder = tmp_path_factory.mktemp("program")
    return prepare_workload(save_tiny(folder), folder)


@pytest.fixture(scope="module")
def program(tiny: Workload) -> Path:
    return build_program(tiny.library)


@pytest.fixture
def cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))[:1]


def task(workload: Workload, **changes: object) -> Task:
    given: Mapping[str, object] = {
        "model": workload.library,
        "inputs": workload.inputs,
        "output_shapes": {name: array.shape for name, array in workload.expected.items()},
        "threads": 1,
        **changes,
    }
    return Task(**given)  # type: ignore[arg-type]


def test_computes_what_the_model_does(tiny: Workload, program: Path, cpus: list[int]) -> None:
    allowed = os.sched_getaffinity(0)
    costs, outputs = run_program(program, task(tiny), cpus)
    for name, expected in tiny.expected.items():
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-4, atol=1e-5)
    assert costs.load_ms > 0
    assert costs.first_run_ms > 0
    assert os.sched_getaffinity(0) == allowed


def test_memory_is_the_programs_not_that_of_who_started_it(tiny: Workload, program: Path, cpus: list[int]) -> None:
    """This process holds more than 64 MB while it runs; a program with a network of a few kB takes a few MB."""
    ballast = np.ones(64 << 20, np.uint8)
    costs, _ = run_program(program, task(tiny), cpus)
    assert ballast.all()
    assert 0.5 < costs.memory_mb < 16


def test_a_library_that_is_missing(tiny: Workload, program: Path, cpus: list[int]) -> None:
    with pytest.raises(ProgramFailed, match=r"missing\.so: cannot open shared object file"):
        run_program(program, task(tiny, model=Path("missing.so")), cpus)


def test_the_library_says_why_it_cannot_be_created(tiny: Workload, program: Path, cpus: list[int]) -> None:
    with pytest.raises(ProgramFailed, match=r"^options.threads is -1, expected 0 or more$"):
        run_program(program, task(tiny, threads=-1), cpus)


def test_inputs_of_another_size(tiny: Workload, program: Path, cpus: list[int]) -> None:
    inputs: dict[str, Array] = {name: array[:, :1] for name, array in tiny.inputs.items()}
    with pytest.raises(ProgramFailed, match=r"in0: 256 bytes instead of 768"):
        run_program(program, task(tiny, inputs=inputs), cpus)


def test_inputs_of_another_number(tiny: Workload, program: Path, cpus: list[int]) -> None:
    with pytest.raises(ProgramFailed, match=r"files for 1 inputs and 1 outputs"):
        run_program(program, task(tiny, inputs={}), cpus)


def test_a_program_that_cannot_start(tiny: Workload, tmp_path: Path, cpus: list[int]) -> None:
    with pytest.raises(ProgramFailed, match="No such file"):
        run_program(tmp_path / "missing", task(tiny), cpus)


def test_a_program_that_dies(tiny: Workload, tmp_path: Path, cpus: list[int]) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nkill -11 $$\n")
    program.chmod(0o755)
    with pytest.raises(ProgramFailed, match=r"^it ended with code -11$"):
        run_program(program, task(tiny), cpus)


def test_a_program_needs_the_header(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"'lonely.h' file not found"):
        build_program(tmp_path / "lonely.so")


def test_figures() -> None:
    assert parse_costs("load_ms 0.25\nfirst_run_ms 9.5\npeak_kb 1000\n") == Costs(0.25, 9.5, 1.024)


@pytest.mark.parametrize(
    "text", ["", "load_ms 1\nfirst_run_ms 2", "load_ms 1 2", "load_ms x\nfirst_run_ms 2\npeak_kb 3"]
)
def test_figures_that_are_none(text: str) -> None:
    with pytest.raises(ProgramFailed, match="instead of its costs"):
        parse_costs(text)
