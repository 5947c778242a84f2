"""Models made ready for a contest: compiled for this machine, with inputs and the outputs that are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from separable.benchmarks.peers.peer import Array, Task
from separable.benchmarks.reference import reference_outputs, write_static
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.runtime.loader import TensorSpec, load


@dataclass(frozen=True)
class Workload:
    """One model that contenders run.

    Attributes:
        name: the model's name in the results.
        model: the ONNX file.
        static_model: the same with static shapes, for converters.
        library: compiled from it for this machine.
        inputs: one array for each input, by name.
        expected: the outputs for these inputs, by name.
        flops: floating-point operations of its convolutions and dense layers; a multiply-add counts as two.
        weight_bytes: size of the weights in the library.
        arena_bytes: size of the memory that the library allocates for intermediates.
    """

    name: str
    model: Path
    static_model: Path
    library: Path
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    flops: int
    weight_bytes: int
    arena_bytes: int

    def task(self, model: Path, threads: int) -> Task:
        """What a contender is given that opens ``model``."""
        return Task(model, self.inputs, {name: array.shape for name, array in self.expected.items()}, threads)


def prepare_workload(model: Path, folder: Path) -> Workload:
    """Compile a model for this machine into a folder of its own in ``folder``.

    Raises:
        CompileError: it cannot be compiled.
    """
    place = folder / model.stem
    compiled = compile_model(CompileOptions(model, output=place))
    inputs = random_inputs(compiled.library)
    static_model = place / "static.onnx"
    write_static(model, {name: array.shape for name, array in inputs.items()}, static_model)
    return Workload(
        model.stem,
        model,
        static_model,
        compiled.library,
        inputs,
        reference_outputs(model, inputs),
        flops=2 * compiled.manifest["mult_adds"],
        weight_bytes=compiled.manifest["weight_bytes"],
        arena_bytes=compiled.manifest["arena_bytes"],
    )


def random_inputs(library: Path, seed: int = 0) -> dict[str, Array]:
    """Arrays for a compiled model, uniform in [-1, 1): a picture after the usual normalisation."""
    random = np.random.default_rng(seed)

    def draw(spec: TensorSpec) -> Array:
        return random.uniform(-1, 1, spec.shape).astype(spec.dtype)

    with load(library) as model:
        return {spec.name: draw(spec) for spec in model.inputs}
