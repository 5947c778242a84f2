"""ExecuTorch with its XNNPACK delegate."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import torch
from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count, _unsafe_reset_threadpool
from executorch.runtime import Runtime

from separable.benchmarks.peers.peer import Array, Task

TITLE = f"ExecuTorch {version('executorch')}"


class _Session:
    def __init__(self, task: Task) -> None:
        _unsafe_reset_threadpool(task.threads)
        if _threadpool_get_thread_count() != task.threads:
            raise RuntimeError(f"it uses {_threadpool_get_thread_count()} threads, not {task.threads}")
        self._program = Runtime.get().load_program(task.model)
        self._method = self._program.load_method("forward")
        self._inputs = [torch.from_numpy(array) for array in task.inputs.values()]
        self._names = list(task.output_shapes)
        self._results: list[torch.Tensor] = []

    @property
    def outputs(self) -> Mapping[str, Array]:
        """Of the last run."""
        return {name: result.numpy() for name, result in zip(self._names, self._results, strict=True)}

    def run(self) -> None:
        self._results = list(self._method.execute(self._inputs))


def open_session(task: Task) -> _Session:
    """Load the program, which packs the weights."""
    return _Session(task)
