"""MNN on the CPU at high precision, which is float32; its Winograd and Strassen algorithms are defaults and stay on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import MNN
import numpy as np

from separable.benchmarks.peers.peer import Array, Task

TITLE = f"MNN {version('MNN')}"


def _host_tensor(array: Array) -> MNN.Tensor:
    """A tensor in NCHW with the array's values."""
    return MNN.Tensor(array.shape, MNN.Halide_Type_Float, array, MNN.Tensor_DimensionType_Caffe)


class _Session:
    def __init__(self, task: Task) -> None:
        self._interpreter = MNN.Interpreter(str(task.model))
        settings = {"backend": "CPU", "numThread": task.threads, "precision": "high", "power": "high"}
        self._session = self._interpreter.createSession(settings)
        # Copying from and to tensors of the host is what changes MNN's layout, and so is part of a run.
        self._inputs = [
            (self._interpreter.getSessionInput(self._session, name), _host_tensor(array))
            for name, array in task.inputs.items()
        ]
        self._outputs = {
            name: (self._interpreter.getSessionOutput(self._session, name), _host_tensor(np.zeros(shape, np.float32)))
            for name, shape in task.output_shapes.items()
        }

    @property
    def outputs(self) -> Mapping[str, Array]:
        """Of the last run."""
        return {name: np.array(host.getNumpyData()) for name, (_, host) in self._outputs.items()}

    def run(self) -> None:
        for device, host in self._inputs:
            device.copyFrom(host)
        self._interpreter.runSession(self._session)
        for device, host in self._outputs.values():
            device.copyToHostTensor(host)


def open_session(task: Task) -> _Session:
    """Create the session, which packs the weights, and the host's tensors."""
    return _Session(task)
