"""What a contender is: a module that opens a model and hands back something that runs it on arrays that stay put."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Task:
    """What every contender is given.

    Attributes:
        model: the model as a file of the contender's format.
        inputs: the arrays of every run, by input name of the ONNX file, in its order; dense and row-major.
        output_shapes: the shape of each output, by output name of the ONNX file, in its order.
        threads: how many threads a run may use.
    """

    model: Path
    inputs: Mapping[str, Array]
    output_shapes: Mapping[str, tuple[int, ...]]
    threads: int


class Session(Protocol):
    """A model ready to run: everything is allocated, and no run depends on the one before.

    Attributes:
        outputs: float32 arrays of the task's names and shapes; those of the last run.
    """

    outputs: Mapping[str, Array]

    def run(self) -> None:
        """Run the model once."""


class Peer(Protocol):
    """A way to run models. A module of this folder with these two names is one."""

    TITLE: str
    """Its name and version as people know them."""

    def open_session(self, task: Task) -> Session:
        """Prepare a model in float32, at the peer's best settings for the latency of one run after the other."""
