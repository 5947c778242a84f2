"""ONNX to ExecuTorch: to torch, exported, and lowered to the XNNPACK delegate as far as that goes."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower

from separable.benchmarks.converters.onnx_to_torch import OnnxModule


def convert(model: Path, folder: Path) -> Path:
    """Write ``model.pte``."""
    module = OnnxModule(onnx.load(model)).eval()
    example = tuple(torch.zeros(shape) for shape in module.input_shapes)
    exported = torch.export.export(module, example)
    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    path = folder / "model.pte"
    path.write_bytes(program.buffer)
    return path
