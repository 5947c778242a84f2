"""ONNX Runtime on its CPU provider, all graph optimisations on, through bound arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from separable.benchmarks.peers.peer import Array, Task

TITLE = f"ONNX Runtime {ort.__version__}"


class _Session:
    def __init__(self, task: Task) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = task.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self._session = ort.InferenceSession(task.model, options, providers=["CPUExecutionProvider"])
        # The binding keeps addresses only: the arrays stay alive with the session.
        self._inputs = task.inputs
        self.outputs: Mapping[str, Array] = {
            name: np.empty(shape, np.float32) for name, shape in task.output_shapes.items()
        }
        self._binding = self._session.io_binding()
        for name, array in self._inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in self.outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)


def open_session(task: Task) -> _Session:
    """Optimise the graph and bind the arrays; threads spin between operators, as is the default."""
    return _Session(task)
