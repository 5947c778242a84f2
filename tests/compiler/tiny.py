"""A network small enough to be compiled by every test that needs a library, with each of MobileNet's layer types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Compiled, compile_model

from .models import make_model, node, random

CLASSES = 5


def tiny_model(**changes: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> onnx.ModelProto:
    """``x`` [1, 3, 8, 8] -> 3x3, depthwise 3x3 and 1x1 convolution, mean, fully connected -> ``y`` [1, 5]."""
    weights = {
        "stem_w": random(8, 3, 3, 3),
        "dw_w": random(8, 1, 3, 3, seed=1),
        "pw_w": random(16, 8, 1, 1, seed=2),
        "fc_w": random(CLASSES, 16, seed=3),
        "fc_b": random(CLASSES, seed=4),
    }
    nodes = [
        node("Conv", "x stem_w", "a", "stem", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        node("Relu", "a", "b", "stem_relu"),
        node("Conv", "b dw_w", "c", "dw", kernel_shape=[3, 3], pads=[1] * 4, group=8),
        node("Conv", "c pw_w", "d", "pw", kernel_shape=[1, 1]),
        node("GlobalAveragePool", "d", "e", "pool"),
        node("Flatten", "e", "f", "flatten"),
        node("Gemm", "f fc_w fc_b", "y", "fc", transB=1),
    ]
    return make_model(nodes, {"x": [1, 3, 8, 8]}, weights={**weights, **changes})


def save_tiny(folder: Path, name: str = "tiny.onnx") -> Path:
    path = folder / name
    path.write_bytes(tiny_model().SerializeToString())
    return path


def compile_tiny(folder: Path, target: str = "native") -> Compiled:
    """Compile ``folder/tiny.onnx`` to ``folder/out/tiny.so``."""
    return compile_model(CompileOptions(save_tiny(folder), target=target, output=folder / "out"))
