"""Python environments of the peers and their converters, made on demand from pinned packages."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import separable


@dataclass(frozen=True)
class Environment:
    """What is installed.

    Attributes:
        requirements: pinned packages.
        dependencies: whether what they require is installed too.
    """

    requirements: tuple[str, ...]
    dependencies: bool = True


ENVIRONMENTS = {
    "openvino": Environment(("openvino==2026.4.1", "numpy==2.4.6")),
    "litert": Environment(("ai-edge-litert==2.3.0", "numpy==2.4.6")),
    "onnx2tf": Environment(("onnx2tf==1.29.24",)),
    "ncnn": Environment(("ncnn==1.0.20261020", "numpy==2.4.6")),
    # Its program stands alone, only the Python functions that are not used here need torch.
    "pnnx": Environment(("pnnx==20261020",), dependencies=False),
    "mnn": Environment(("MNN==3.6.1", "numpy==2.4.6")),
    "executorch": Environment(("executorch==1.5.1", "torch==2.13.0", "onnx==1.23.2", "numpy==2.4.6")),
}
"""By name. Peers and converters have environments of their own because they exclude each other's versions of numpy."""

# Not in the package: a wheel shall not hold them.
_FOLDER = Path(__file__).resolve().parents[1] / "build" / "environments"
_INSTALL_SECONDS = 1800


class EnvironmentFailed(Exception):
    """An environment cannot be made; the message says what and why."""


def make_environment(name: str, folder: Path = _FOLDER) -> Path:
    """The Python interpreter of an environment in ``folder``, which is installed unless it is there already.

    The package ``separable`` is importable there, as far as it needs nothing but what is installed.

    Raises:
        EnvironmentFailed: it cannot be installed.
    """
    environment = ENVIRONMENTS[name]
    place = folder / name
    python = place / "bin" / "python"
    wanted = f"{environment}\n"
    # Written last: an installation that was interrupted starts again.
    stamp = place / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    try:
        venv.create(place, clear=True, with_pip=True)
        _install(python, environment)
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))
        (packages / "separable").symlink_to(Path(separable.__file__).parent.absolute())
        stamp.write_text(wanted)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(place, ignore_errors=True)
        raise EnvironmentFailed(f"environment {name} cannot be installed: {_reason(error)}") from error
    return python


def _install(python: Path, environment: Environment) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *environment.requirements]
    if not environment.dependencies:
        command.append("--no-deps")
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    """Pip's first complaint, which names the package; what follows it is advice."""
    if not isinstance(error, subprocess.CalledProcessError) or not error.stderr:
        return str(error)
    lines = [line for line in str(error.stderr).splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("ERROR")), lines[-1])
