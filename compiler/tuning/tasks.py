"""What a network gives a search to do: its distinct workloads with a space, and how often each is called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from separable.compiler.pipeline import Built
from separable.compiler.program import Program
from separable.schedules.space import Space, has_space, space
from separable.schedules.workload import Workload


@dataclass(frozen=True, eq=False)
class Task:
    """One workload to tune.

    Attributes:
        name: of its kernel in the network, which no tile changes.
        workload: what it computes.
        space: its tiles.
        calls: how many layers of the network call it.
        macs: multiply-accumulates of one call.
    """

    name: str
    workload: Workload
    space: Space
    calls: int
    macs: int


def tasks_of(built: Built) -> list[Task]:
    """The tasks of a network, the most arithmetic first."""
    calls = Counter(kernel.name for kernel in built.scheduled.calls)
    tasks = [
        Task(kernel.name, w, space(w, built.target), calls[kernel.name], w.macs)
        for kernel in built.scheduled.kernels
        if has_space(w := kernel.workload) and len(space(w, built.target).tiles) > 1
    ]
    return sorted(tasks, key=lambda task: -task.calls * task.macs)


def weight_bytes(program: Program) -> int:
    """Bytes of all constants of a network: what passes through the caches between two uses of a layer's weights."""
    return sum(array.nbytes for step in program.steps for array in step.constants)
