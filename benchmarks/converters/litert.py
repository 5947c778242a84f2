"""ONNX to LiteRT's flatbuffer through onnx2tf, in float32 and NHWC."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

# Pictures that onnx2tf tries a converted model on. It downloads them unless the working folder has them.
_PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"


def convert(model: Path, folder: Path) -> Path:
    """Write ``NAME_float32.tflite``; a 4-dimensional input or output is NHWC in it."""
    np.save(folder / _PICTURES, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
    program = Path(sys.executable).with_name("onnx2tf")
    subprocess.run([program, "-i", model.absolute(), "-o", folder.absolute(), "-n"], check=True, cwd=folder)
    return folder / f"{model.stem}_float32.tflite"
