"""LiteRT, once TensorFlow Lite, with its XNNPACK delegate."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from separable.benchmarks.peers.peer import Array, Task

TITLE = f"LiteRT {version('ai-edge-litert')}"


class _Session:
    def __init__(self, task: Task) -> None:
        self._interpreter = Interpreter(str(task.model), num_threads=task.threads)
        self._interpreter.allocate_tensors()
        # Inputs keep their place in memory from run to run. The converter made them NHWC.
        for detail, array in zip(self._interpreter.get_input_details(), task.inputs.values(), strict=True):
            self._interpreter.set_tensor(detail["index"], array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)
        self._indices = _match(self._interpreter.get_output_details(), task.output_shapes)
        self.outputs: dict[str, Array] = {}

    def run(self) -> None:
        self._interpreter.invoke()
        for name, index in self._indices.items():
            output = self._interpreter.get_tensor(index)
            self.outputs[name] = output.transpose(0, 3, 1, 2) if output.ndim == 4 else output


def _match(details: list[dict[str, np.ndarray]], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The tensor of each output: the converter sorts them, and keeps only the order of those of one shape."""
    left = [(detail["index"], tuple(detail["shape"])) for detail in details]
    indices = {}
    for name, shape in shapes.items():
        expected = (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape
        found = next((entry for entry in left if entry[1] == expected), None)
        if found is None:
            raise ValueError(f"no output has the shape {expected} of {name}; left are {left}")
        left.remove(found)
        indices[name] = int(found[0])
    return indices


def open_session(task: Task) -> _Session:
    """Allocate the tensors, which also packs the weights for XNNPACK."""
    return _Session(task)
