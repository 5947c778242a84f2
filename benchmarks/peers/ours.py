"""The library that was compiled from the model, through its Python loader and bound arrays."""

from __future__ import annotations

from collections.abc import Mapping

from separable.benchmarks.peers.peer import Array, Task
from separable.runtime.loader import load

TITLE = "Separable"


class _Session:
    def __init__(self, task: Task) -> None:
        self._binding = load(task.model, threads=task.threads).bind(task.inputs)
        self.outputs: Mapping[str, Array] = self._binding.outputs

    def run(self) -> None:
        self._binding.run()


def open_session(task: Task) -> _Session:
    """Load the library; its memory and threads are allocated here."""
    return _Session(task)
