"""``separable run``: a compiled model on a picture, on arrays or on random data, timed and profiled."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from separable.compiler.commands.terminal import new_table, print_note, stdout
from separable.compiler.errors import OutputError
from separable.compiler.files import whole_file
from separable.compiler.inspect import library_in
from separable.runtime.loader import load

Array = NDArray[Any]

Library = Annotated[Path, typer.Argument(metavar="MODEL.so", help="The compiled network, or its folder.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", metavar="[NAME=]FILE", help="A picture (.jpg, .png) or an array (.npy); repeat it for each input."
    ),
]
Mean = Annotated[str, typer.Option(metavar="X[,X,X]", help="Subtracted from a picture's values 0..255.")]
Std = Annotated[str, typer.Option(metavar="X[,X,X]", help="What they are divided by then.")]

_SEED = 0
_VALUES = "127.5"
"""Mean and standard deviation where a user names none: 0..255 becomes -1..1."""
_WARM_UP_RUNS = 3


def parse_channels(text: str) -> float | tuple[float, ...]:
    """One number, or one for each of red, green and blue."""
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor three numbers with commas between") from None
    return numbers[0] if len(numbers) == 1 else numbers


def parse_cores(text: str) -> str | list[int]:
    """CPU numbers with commas between, else a word; loading says which words there are."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        return text


def run_command(
    library: Library,
    files: Inputs = None,
    mean: Mean = _VALUES,
    std: Std = _VALUES,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Names of the classes, one a line.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to print.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads. [default: what it was compiled with; 1 with --profile]")
    ] = None,
    cores: Annotated[
        str | None, typer.Option(metavar="big|all|N,...", help="CPUs that the threads run on. [default: big]")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="Kernels to run in a library for several CPUs. [default: the best here]"),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Timed runs after the warm-up.")] = 20,
    profile: Annotated[bool, typer.Option("--profile", help="Time every kernel.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.npz", help="Write the outputs to this file.")
    ] = None,
) -> None:
    """Run a compiled network and print its outputs and its latency."""
    from separable.compiler.inputs import random_inputs, read_inputs
    from separable.compiler.picture import PICTURE_SUFFIXES, read_labels

    channels = {"mean": parse_channels(mean), "std": parse_channels(std)}
    if (mean, std) != (_VALUES, _VALUES) and not any(name.lower().endswith(PICTURE_SUFFIXES) for name in files or []):
        raise typer.BadParameter("--mean and --std are for pictures, and no --input is one")
    if profile and threads is None:
        threads = 1
    names = read_labels(labels) if labels else None
    with load(library_in(library), threads, parse_cores(cores) if cores else None, variant) as model:
        if len(model.manifest["variants"]) > 1:
            print_note(f"the kernels for {model.variant} run, of {_names(model.manifest['variants'])}")
        if files:
            inputs = read_inputs(model.inputs, files, **channels)
        else:
            print_note(f"no --input: the inputs are random numbers of seed {_SEED}")
            inputs = random_inputs(model.inputs, _SEED)
        outputs = model.run(inputs)
        for name, values in outputs.items():
            _print_output(name, values, names, top)
        if output:
            save_arrays(output, outputs)
        _print_latency(lambda: model.run(inputs, outputs), threads, repeat)
        if profile:
            from separable.compiler.commands.profile import print_profile

            print_profile(model, inputs, threads=_usable(threads or 1), repeat=repeat)


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name as ``.npz``; the file appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with whole_file(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub sees the flag allow_pickle among the names
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def _names(variants: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(entry["name"] for entry in variants)


def _usable(threads: int) -> int:
    return min(threads, len(os.sched_getaffinity(0)))


def _print_output(name: str, values: Array, labels: Sequence[str] | None, top: int) -> None:
    from separable.compiler.picture import top_k

    numbers = values.astype(np.float64)
    bounds = f"min {numbers.min():.6g}, max {numbers.max():.6g}, mean {numbers.mean():.6g}"
    stdout().print(f"{name} {values.dtype}{list(values.shape)}: {bounds}", soft_wrap=True)
    if values.dtype.kind != "f" or values.ndim == 0 or not 1 < values.size == max(values.shape):
        return
    table = new_table(["class", "label"], ["probability"])
    for best in top_k(values, labels, top):
        table.add_row(str(best.index), best.label, f"{best.probability:.4f}")
    stdout().print(table)


def _print_latency(run: Callable[[], object], threads: int | None, repeat: int) -> None:
    for _ in range(_WARM_UP_RUNS):
        run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    if threads is None:
        used = "the library's threads"
    else:
        used = "1 thread" if _usable(threads) == 1 else f"at most {_usable(threads)} threads"
    p90 = float(np.percentile(times, 90))
    stdout().print(
        f"latency: median {statistics.median(times):.3f} ms, min {min(times):.3f}, p90 {p90:.3f} "
        f"({repeat} runs, {used})"
    )
