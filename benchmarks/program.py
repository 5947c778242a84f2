"""A compiled model in a C program, as in an application: no Python around it, and nothing subtracted."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from separable.benchmarks.costs import Costs
from separable.benchmarks.machine import pinned
from separable.benchmarks.peers.peer import Array, Task
from separable.targets.errors import ToolchainError, ToolchainNotFound
from separable.targets.host import detect_host
from separable.targets.toolchain import compile_and_link

_SOURCE = Path(__file__).with_name("first_result.c")
_RUN_SECONDS = 60


class ProgramFailed(Exception):
    """The C program cannot be built or run; the message says why."""


def build_program(library: Path) -> Path:
    """Build ``first_result.c`` for a compiled model, beside its library and header; return the program.

    Raises:
        ProgramFailed: there is no C compiler, or it failed.
    """
    header = library.with_suffix(".h")
    program = library.with_name("first_result")
    try:
        compile_and_link(
            program,
            target=detect_host(),
            sources=[_SOURCE],
            include_dirs=[header.parent],
            flags=["-std=gnu11", f"-DMODEL={library.stem}", f'-DMODEL_HEADER="{header.name}"', "-ldl"],
        )
    except (ToolchainError, ToolchainNotFound) as error:
        raise ProgramFailed(str(error)) from error
    return program


def run_program(program: Path, task: Task, cpus: Sequence[int]) -> tuple[Costs, dict[str, Array]]:
    """Run the program once in a process of its own on the given CPUs.

    Args:
        program: made by :func:`build_program` for the task's library.
        task: what to run; ``task.model`` is the library, whose outputs are float32.
        cpus: the CPUs that it may use.

    Returns:
        its costs, memory being that of the whole process, and its outputs by name.

    Raises:
        ProgramFailed: it ended with an error.
    """
    with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
        inputs = [Path(temporary, f"in{index}") for index in range(len(task.inputs))]
        outputs = [Path(temporary, f"out{index}") for index in range(len(task.output_shapes))]
        for path, array in zip(inputs, task.inputs.values(), strict=True):
            array.tofile(path)
        try:
            with pinned(cpus):
                done = subprocess.run(
                    [program, task.model.absolute(), str(task.threads), *inputs, *outputs],
                    check=True,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=_RUN_SECONDS,
                )
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip() or f"it ended with code {error.returncode}"
            raise ProgramFailed(reason) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise ProgramFailed(str(error)) from error
        results = {
            name: np.fromfile(path, np.float32).reshape(shape)
            for path, (name, shape) in zip(outputs, task.output_shapes.items(), strict=True)
        }
    return parse_costs(done.stdout), results


def parse_costs(text: str) -> Costs:
    """What the program printed: lines of a name and a number.

    Raises:
        ProgramFailed: a figure is missing or is no number.
    """
    try:
        figures: Mapping[str, float] = {name: float(value) for name, value in map(str.split, text.splitlines())}
        return Costs(figures["load_ms"], figures["first_run_ms"], figures["peak_kb"] * 1024 / 1e6)
    except (KeyError, ValueError) as error:
        raise ProgramFailed(f"it printed {text!r} instead of its costs") from error
