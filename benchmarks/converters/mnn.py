"""ONNX to MNN, with the converter's optimisations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def convert(model: Path, folder: Path) -> Path:
    """Write ``model.mnn``."""
    path = folder / "model.mnn"
    program = Path(sys.executable).with_name("mnnconvert")
    command: list[str | Path] = [program, "-f", "ONNX", "--modelFile", model, "--MNNModel", path, "--bizCode", "none"]
    subprocess.run(command, check=True)
    return path
