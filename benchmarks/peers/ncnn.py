"""ncnn on the CPU with 32-bit numbers only; Winograd is its default for 3x3 convolutions and stays on."""

from __future__ import annotations

from collections.abc import Mapping

import ncnn
import numpy as np

from separable.benchmarks.peers.peer import Array, Task

TITLE = f"ncnn {ncnn.__version__}"

_REDUCED_PRECISION = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_int8_inference",
)


class _Session:
    def __init__(self, task: Task) -> None:
        self._net = ncnn.Net()
        self._net.opt.num_threads = task.threads
        for option in _REDUCED_PRECISION:
            setattr(self._net.opt, option, False)
        # They return 0 for success, and what they complain about goes to stderr.
        if self._net.load_param(str(task.model)) or self._net.load_model(str(task.model.with_suffix(".bin"))):
            raise RuntimeError(f"{task.model.name} cannot be loaded")
        # A Mat has no batch, and borrows the array's memory.
        names = _names("in", task.inputs)
        self._inputs = [(name, ncnn.Mat(array[0])) for name, array in zip(names, task.inputs.values(), strict=True)]
        self._results = tuple(zip(_names("out", task.output_shapes), task.output_shapes.items(), strict=True))
        self.outputs: dict[str, Array] = {}

    def run(self) -> None:
        with self._net.create_extractor() as extractor:
            for name, mat in self._inputs:
                extractor.input(name, mat)
            for blob, (name, shape) in self._results:
                status, mat = extractor.extract(blob)
                if status:
                    raise RuntimeError(f"{name} cannot be computed, ncnn returned {status}")
                self.outputs[name] = np.array(mat).reshape(shape)


def _names(prefix: str, tensors: Mapping[str, object]) -> list[str]:
    """What the converter calls tensors, in the order of the ONNX file."""
    return [f"{prefix}{index}" for index in range(len(tensors))]


def open_session(task: Task) -> _Session:
    """Load the network, which packs its weights; an extractor for each run is how ncnn is used."""
    return _Session(task)
