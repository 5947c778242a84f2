"""Models in the formats of the peers, converted in the environments that the converters need."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.environments import EnvironmentFailed, make_environment
from separable.benchmarks.peers import OURS, PEERS
from separable.benchmarks.workload import Workload

_CONVERT_SECONDS = 600


@dataclass(frozen=True)
class Entrant:
    """One peer with what it needs to run a workload.

    Attributes:
        name: the peer's module.
        model: the model in the peer's format.
        python: the interpreter of the environment that the peer runs in.
    """

    name: str
    model: Path
    python: Path = Path(sys.executable)


def prepare_entrant(name: str, workload: Workload, folder: Path) -> Entrant:
    """Install what a peer needs and convert the workload's model to ``folder/PEER/MODEL``.

    Raises:
        ContenderFailed: the environment cannot be installed, or the model not converted.
    """
    if name == OURS:
        return Entrant(name, workload.library)
    entry = PEERS[name]
    try:
        python = make_environment(entry.environment) if entry.environment else Path(sys.executable)
        if not entry.converts_in:
            return Entrant(name, workload.model, python)
        converter = make_environment(entry.converts_in)
    except EnvironmentFailed as error:
        raise ContenderFailed(name, str(error)) from error
    place = folder / name / workload.name
    place.mkdir(parents=True)
    return Entrant(name, _convert(converter, name, workload.static_model, place), python)


def _convert(python: Path, name: str, model: Path, folder: Path) -> Path:
    result, log = folder / "result.txt", folder / "log.txt"
    command: list[str | Path] = [python, "-P", "-m", "separable.benchmarks.converters", name, model, folder, result]
    try:
        with log.open("w") as file:
            subprocess.run(command, check=True, stdout=file, stderr=subprocess.STDOUT, timeout=_CONVERT_SECONDS)
        return Path(result.read_text())
    except (OSError, subprocess.SubprocessError) as error:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise ContenderFailed(name, f"the model cannot be converted: {lines[-1] if lines else error}") from error
