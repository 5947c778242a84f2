"""ONNX to ncnn through pnnx, in float32."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path


def convert(model: Path, folder: Path) -> Path:
    """Write ``model.ncnn.param`` and ``model.ncnn.bin``, whose blobs are in0, in1, ... and out0, out1, ..."""
    # It writes beside its input.
    copy = shutil.copyfile(model, folder / "model.onnx")
    program = str(distribution("pnnx").locate_file("pnnx/pnnx"))
    subprocess.run([program, copy.name, "fp16=0"], check=True, cwd=folder)
    return folder / "model.ncnn.param"
