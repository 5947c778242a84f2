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
        model: the ONNX file.
        library: the library that was compiled from it.
        inputs: the arrays of every run, by input name; dense and row-major.
        threads: how many threads a run may use.
    """

    model: Path
    library: Path
    inputs: Mapping[str, Array]
    threads: int


class Session(Protocol):
    """A model ready to run: everything is allocated, every run reads and writes the same arrays.

    Attributes:
        outputs: the arrays that each run overwrites, by output name; dense and row-major.
    """

    outputs: Mapping[str, Array]

    def run(self) -> None:
        """Run the model once."""


class Peer(Protocol):
    """A way to run ONNX models. A module with these two names is one; put it in this folder to let it take part."""

    TITLE: str
    """Its name as people know it."""

    def open_session(self, task: Task) -> Session:
        """Prepare a model, at the peer's best settings for the latency of one run after the other."""
