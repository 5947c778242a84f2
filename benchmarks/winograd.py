"""``python -m benchmarks.winograd``: what Winograd's algorithm gains, layer by layer and for the whole network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Layer:
    """One step of the network on one thread.

    Attributes:
        nodes: the nodes of the model that it computes.
        kernel: the function that computes it if Winograd's algorithm is used where it pays.
        direct_us: median time with direct convolutions, in microseconds.
        chosen_us: the same with Winograd's algorithm where it pays.
    """

    nodes: str
    kernel: str
    direct_us: float
    chosen_us: float


@dataclass(frozen=True)
class Gain:
    """What became of one network.

    Attributes:
        layers: every step, in execution order.
        direct_error: largest error with direct convolutions, relative to the range of the output it is in.
        chosen_error: the same with Winograd's algorithm where it pays.
    """

    layers: tuple[Layer, ...]
    direct_error: float
    chosen_error: float


def measure_gain(model: Path, folder: Path, rounds: int) -> Gain:
    """Compile a network with and without Winograd's algorithm, and let both take turns.

    Args:
        model: an ONNX file with static shapes.
        folder: for the libraries.
        rounds: turns of each.

    Raises:
        CompileError: it cannot be compiled.
    """
    direct_library, chosen_library = (
        compile_model(CompileOptions(model, output=folder / name, winograd=name == "chosen")).library
        for name in ("direct", "chosen")
    )
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
    steps = zip(turns[chosen][0], before, after, strict=True)
    return Gain(tuple(Layer(step.name, step.kernel, *times) for step, *times in steps), *errors)


def _medians(turns: list[list[KernelTime]]) -> list[float]:
    """Microseconds of each step."""
    times = [[step.nanoseconds for step in turn] for turn in turns]
    return [float(time) / 1e3 for time in np.median(times, axis=0)]


def _error(model: Model, inputs: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    outputs = model.run(inputs)
    return max(
        float(np.abs(outputs[name] - right).max() / max(float(np.ptp(right)), 1e-30))
        for name, right in expected.items()
    )


def gain_table(gain: Gain) -> Table:
    """A row for each layer that Winograd's algorithm computes, and the sum of all layers."""
    table = Table("nodes", "kernel", "direct us", "Winograd us", "ratio", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    sums = [sum(times) for times in zip(*((layer.direct_us, layer.chosen_us) for layer in gain.layers), strict=True)]
    for layer in (*(layer for layer in gain.layers if "winograd" in layer.kernel), Layer("all layers", "", *sums)):
        times = f"{layer.direct_us:.1f}", f"{layer.chosen_us:.1f}", f"{layer.chosen_us / layer.direct_us:.2f}"
        table.add_row(layer.nodes, layer.kernel, *times)
    return table


@app.command()
def benchmark(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network, of static shapes.")],
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each library.")] = 100,
) -> None:
    """Measure a network with and without Winograd's algorithm, on one thread."""
    console = Console(highlight=False, soft_wrap=True)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as folder:
            gain = measure_gain(model, Path(folder), rounds)
    except CompileError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    finally:
        os.sched_setaffinity(0, allowed)
    console.print(gain_table(gain))
    console.print(f"largest error: {gain.direct_error:.1e} directly, {gain.chosen_error:.1e} with Winograd's algorithm")


if __name__ == "__main__":
    app()
