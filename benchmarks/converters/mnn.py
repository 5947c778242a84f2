"""ONNX to MNN, with the converter's optimisations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Not by the package's script ``mnnconvert``: it installs a package with whatever ``pip`` comes first in PATH, and sends
# an identification of the machine and the arguments to a server.
_CONVERT = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"


def convert(model: Path, folder: Path) -> Path:
    """Write ``model.mnn``."""
    path = folder / "model.mnn"
    arguments: list[str | Path] = ["-f", "ONNX", "--modelFile", model, "--MNNModel", path, "--bizCode", "none"]
    subprocess.run([sys.executable, "-P", "-c", _CONVERT, *arguments], check=True)
    if not path.is_file():  # the converter's own complaint is on standard output
        raise RuntimeError(f"{model.name} became no MNN model")
    return path
