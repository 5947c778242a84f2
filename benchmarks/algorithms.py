"""``python -m benchmarks.algorithms``: what Winograd's and Strassen's algorithm gain, layer by layer and in sum."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from separable.benchmarks.peers.peer import Array
from separable.benchmarks.reference import reference_outputs
from separable.benchmarks.workload import random_inputs
from separable.compiler.errors import CompileError
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.runtime.loader import KernelTime, Model, load

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Algorithm(StrEnum):
    """What computes a convolution with fewer products."""

    WINOGRAD = "winograd"
    STRASSEN = "strassen"


@dataclass(frozen=True)
class Layer:
    """One layer of the network on one thread.

    Attributes:
        nodes: the nodes of the model that it computes.
        kernel: the function that computes it, or ends it, if the algorithm is used where it pays.
        direct_us: median time with direct convolutions, in microseconds.
        chosen_us: the same with the algorithm where it pays, the sums of its inputs included.
    """

    nodes: str
    kernel: str
    direct_us: float
    chosen_us: float


@dataclass(frozen=True)
class Gain:
    """What became of one network.

    Attributes:
        layers: in execution order.
        direct_error: largest error with direct convolutions, relative to the range of the output it is in.
        chosen_error: the same with the algorithm where it pays.
    """

    layers: tuple[Layer, ...]
    direct_error: float
    chosen_error: float


def measure_gain(model: Path, folder: Path, rounds: int, algorithm: Algorithm) -> Gain:
    """Compile a network with and without an algorithm, and let both take turns.

    Args:
        model: an ONNX file with static shapes.
        folder: for the libraries.
        rounds: turns of each.
        algorithm: the one in question; the other one is used where it pays in both.

    Raises:
        CompileError: it cannot be compiled.
    """
    others = {other: other is not algorithm for other in Algorithm}
    without = CompileOptions(
        model, output=folder / "direct", winograd=others[Algorithm.WINOGRAD], strassen=others[Algorithm.STRASSEN]
    )
    direct_library = compile_model(without).library
    chosen_library = compile_model(CompileOptions(model, output=folder / "chosen")).library
    inputs = random_inputs(chosen_library)
    expected = reference_outputs(model, inputs)
    with load(direct_library, threads=1) as direct, load(chosen_library, threads=1) as chosen:
        errors = [_error(candidate, inputs, expected) for candidate in (direct, chosen)]
        turns: dict[Model, list[list[KernelTime]]] = {direct: [], chosen: []}
        for number in range(rounds + 1):
            # Who begins changes from round to round.
            for candidate in (direct, chosen) if number % 2 else (chosen, direct):
                turns[candidate].append(list(candidate.profile(inputs)))
    before, after = (_medians(times[1:]) for times in turns.values())  # the first turn warms up
    kernels = {step.name: step.kernel for step in turns[chosen][0]}
    return Gain(tuple(Layer(nodes, kernels[nodes], before[nodes], after[nodes]) for nodes in before), *errors)


def _medians(turns: list[list[KernelTime]]) -> dict[str, float]:
    """Microseconds of each layer by its nodes; several steps may compute one."""
    medians: dict[str, float] = {}
    for index, step in enumerate(turns[0]):
        median = float(np.median([turn[index].nanoseconds for turn in turns])) / 1e3
        medians[step.name] = medians.get(step.name, 0.0) + median
    return medians


def _error(model: Model, inputs: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    outputs = model.run(inputs)
    return max(
        float(np.abs(outputs[name] - right).max() / max(float(np.ptp(right)), 1e-30))
        for name, right in expected.items()
    )


def gain_table(gain: Gain, algorithm: Algorithm) -> Table:
    """A row for each layer that the algorithm computes, and the sum of all layers."""
    table = Table("nodes", "kernel", "direct us", f"{algorithm} us", "ratio", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    sums = [sum(times) for times in zip(*((layer.direct_us, layer.chosen_us) for layer in gain.layers), strict=True)]
    for layer in (*(layer for layer in gain.layers if algorithm in layer.kernel), Layer("all layers", "", *sums)):
        times = f"{layer.direct_us:.1f}", f"{layer.chosen_us:.1f}", f"{layer.chosen_us / layer.direct_us:.2f}"
        table.add_row(layer.nodes, layer.kernel, *times)
    return table


@app.command()
def benchmark(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network, of static shapes.")],
    algorithm: Annotated[Algorithm, typer.Option(help="Which one is left out for comparison.")] = Algorithm.STRASSEN,
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each library.")] = 100,
) -> None:
    """Measure a network with and without one of the algorithms that save products, on one thread."""
    console = Console(highlight=False, soft_wrap=True)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as folder:
            gain = measure_gain(model, Path(folder), rounds, algorithm)
    except CompileError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    finally:
        os.sched_setaffinity(0, allowed)
    console.print(gain_table(gain, algorithm))
    console.print(f"largest error: {gain.direct_error:.1e} directly, {gain.chosen_error:.1e} with {algorithm}")


if __name__ == "__main__":
    app()
