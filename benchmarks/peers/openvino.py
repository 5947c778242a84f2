"""OpenVINO's CPU plugin in float32, one request after the other, through tensors that share the arrays' memory."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
import openvino

from separable.benchmarks.peers.peer import Array, Task

TITLE = f"OpenVINO {version('openvino')}"


class _Session:
    def __init__(self, task: Task) -> None:
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": task.threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._request = openvino.Core().compile_model(task.model, "CPU", settings).create_infer_request()
        # Tensors keep addresses only: the arrays stay alive with the session.
        self._inputs = task.inputs
        self.outputs: Mapping[str, Array] = {
            name: np.empty(shape, np.float32) for name, shape in task.output_shapes.items()
        }
        for name, array in (*self._inputs.items(), *self.outputs.items()):
            self._request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def run(self) -> None:
        self._request.infer()


def open_session(task: Task) -> _Session:
    """Compile the model and bind the arrays."""
    return _Session(task)
