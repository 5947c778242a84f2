"""The library that was compiled from the model, through its Python loader."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from separable.benchmarks.peers.peer import Array, Task
from separable.runtime.loader import load

TITLE = "Separable"


class _Session:
    def __init__(self, task: Task) -> None:
        self._model = load(task.model, threads=task.threads)
        self._inputs = task.inputs
        self.outputs: Mapping[str, Array] = {
            name: np.empty(shape, np.float32) for name, shape in task.output_shapes.items()
        }

    def run(self) -> None:
        self._model.run(self._inputs, self.outputs)


def open_session(task: Task) -> _Session:
    """Load the library; its memory and threads are allocated here."""
    return _Session(task)
