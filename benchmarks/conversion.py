"""Models in the formats of the peers, converted in the environments that the converters need, and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.environments import ENVIRONMENTS, EnvironmentFailed, make_environment
from separable.benchmarks.peers import OURS, PEERS
from separable.benchmarks.workload import Workload

# Not in the package, as the environments.
_FOLDER = Path(__file__).resolve().parents[1] / "build" / "converted"
_CONVERTERS = Path(__file__).with_name("converters")
_CONVERT_SECONDS = 600
# A file beside a converted model that holds its name.
_RESULT = "result.txt"


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


def prepare_entrant(name: str, workload: Workload, folder: Path = _FOLDER) -> Entrant:
    """Install what a peer needs and convert the workload's model.

    Converting takes up to half a minute, so what comes out is kept in ``folder/PEER/KEY``. The key is the hash of the
    model, of the packages that convert it and of our code that calls them: with the same three it is not done again.

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
        place = folder / name / conversion_key(name, workload.static_model)
        if not place.is_dir():
            converter = make_environment(entry.converts_in)
            _convert(converter, name, workload.static_model, place)
    except EnvironmentFailed as error:
        raise ContenderFailed(name, str(error)) from error
    except OSError as error:
        raise ContenderFailed(name, f"converted models cannot be kept in {folder}: {error}") from error
    return Entrant(name, place / (place / _RESULT).read_text(), python)


def conversion_key(name: str, model: Path) -> str:
    """The name of a conversion: 64 digits that change with everything that it depends on."""
    entry = PEERS[name]
    assert entry.converts_in, f"{name} reads ONNX"
    code = [path.read_bytes() for path in sorted(_CONVERTERS.glob("*.py"))]
    parts = [model.read_bytes(), repr(ENVIRONMENTS[entry.converts_in]).encode(), *code]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _convert(python: Path, name: str, model: Path, place: Path) -> None:
    """Make the folder ``place``, whole or not at all, of a converted model and the name of the file to open."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".converting-") as temporary:
        work, kept = Path(temporary, "work"), Path(temporary, "kept")
        work.mkdir()
        kept.mkdir()
        # A copy, as onnx2tf writes the model anew that it is given.
        path = _run_converter(python, name, shutil.copy(model, temporary), work)
        # Converters leave much behind. A model is one file, or several that differ in the last suffix.
        for part in path.parent.glob(f"{path.stem}.*"):
            shutil.move(part, kept)
        (kept / _RESULT).write_text(path.name)
        os.rename(kept, place)


def _run_converter(python: Path, name: str, model: str, folder: Path) -> Path:
    """The file that the peer opens, in ``folder``."""
    result, log = folder.parent / "result.txt", folder.parent / "log.txt"
    command: list[str | Path] = [python, "-P", "-m", "separable.benchmarks.converters", name, model, folder, result]
    try:
        with log.open("w") as file:
            subprocess.run(command, check=True, stdout=file, stderr=subprocess.STDOUT, timeout=_CONVERT_SECONDS)
        return Path(result.read_text())
    except (OSError, subprocess.SubprocessError) as error:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise ContenderFailed(name, f"the model cannot be converted: {lines[-1] if lines else error}") from error
