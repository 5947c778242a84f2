"""ONNX to OpenVINO's own format, in float32."""

from __future__ import annotations

from pathlib import Path

import openvino


def convert(model: Path, folder: Path) -> Path:
    """Write ``model.xml`` and ``model.bin``."""
    path = folder / "model.xml"
    openvino.save_model(openvino.convert_model(model), path, compress_to_fp16=False)
    return path
