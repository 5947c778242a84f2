"""``python -m benchmarks``: compiled models and their peers side by side, in one run."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from separable.benchmarks.logbook import Logbook
from separable.benchmarks.machine import describe_machine
from separable.benchmarks.report import summary_table
from separable.benchmarks.selection import ALL_PEERS, model_name, parse_models, parse_peers, parse_threads
from separable.benchmarks.series import Series
from separable.compiler.intervals import FEWEST_VALUES
from separable.targets.errors import UnsupportedHost

# With more runnable processes than this before the first contest, others take part of the CPUs.
_QUIET_LOAD = 0.5

_RESULTS = Path(__file__).resolve().parent / "results"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def benchmark(
    models: Annotated[
        str, typer.Option(help="ONNX files and networks of the zoo, such as v1-0.5-160, or all-variants.")
    ] = "v1-1.0-224",
    threads: Annotated[str, typer.Option(help="Numbers of threads.")] = "1,2",
    peers: Annotated[str, typer.Option(help="Whom to compare with; those that are missing get installed.")] = ALL_PEERS,
    rounds: Annotated[int, typer.Option(min=FEWEST_VALUES, help="Turns of each contender.")] = 30,
    processes: Annotated[
        int, typer.Option(min=1, help="Fresh processes in which load, first run and memory are measured.")
    ] = 5,
    results: Annotated[Path, typer.Option(help="Folder for CSV, JSON, plot and page.")] = _RESULTS,
) -> None:
    """Measure models against peers that take turns on the same CPUs, after their outputs were compared.

    Models, threads and peers are lists with commas between. CSV and JSON are written after each contest, and a model
    that fails is left out: what was measured stays measured.
    """
    console = Console(highlight=False, soft_wrap=True)
    cpus = sorted(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    if load > _QUIET_LOAD:
        console.print(f"other processes are busy (load {load:.1f}): what is measured may mislead", style="yellow")
    try:
        chosen, counts, names = parse_models(models), parse_threads(threads, len(cpus)), parse_peers(peers)
        machine = {**describe_machine(), "load before": f"{load:.1f}"}
        results.mkdir(parents=True, exist_ok=True)
    except (OSError, UnsupportedHost, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    stem = results / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    logbook = Logbook(stem, machine)
    series = Series(names, counts, cpus, rounds, processes, logbook, console)
    try:
        for number, model in enumerate(chosen, 1):
            console.print(f"\nmodel {number} of {len(chosen)}: {model_name(model)}", style="bold")
            with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
                series.measure(model, Path(temporary))
    finally:
        _conclude(logbook, console)
    if logbook.failures:
        raise typer.Exit(2)


def _conclude(logbook: Logbook, console: Console) -> None:
    """The summary and the rest of the files, also after an interrupt."""
    if logbook.contests:
        console.print(summary_table(logbook.contests))
        console.print(", ".join(f"{name} {value}" for name, value in logbook.machine.items()))
        logbook.save_with_pictures()
        console.print(f"written to {logbook.stem}.csv, .json, .svg and .html")
    for model, reason in logbook.failures.items():
        console.print(f"{model} failed: {reason}", style="red", markup=False)


if __name__ == "__main__":
    app()
