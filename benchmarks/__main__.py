"""``python -m benchmarks``: compiled models and their peers side by side, in one run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.contest import Contest, hold_contest
from separable.benchmarks.conversion import Entrant, prepare_entrant
from separable.benchmarks.layers import LayerTime, profile_layers
from separable.benchmarks.machine import describe_machine
from separable.benchmarks.page import results_page
from separable.benchmarks.plots import latency_plot
from separable.benchmarks.report import Layers, costs_table, results_table, summary_table, write_csv, write_json
from separable.benchmarks.selection import ALL_PEERS, parse_models, parse_peers, parse_threads, variant_name
from separable.benchmarks.statistics import FEWEST_ROUNDS
from separable.benchmarks.workload import Workload, prepare_workload
from separable.compiler.errors import CompileError
from separable.compiler.peak import measure_peak
from separable.runtime.loader import ModelError
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1

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
    rounds: Annotated[int, typer.Option(min=FEWEST_ROUNDS, help="Turns of each contender.")] = 30,
    results: Annotated[Path, typer.Option(help="Folder for CSV, JSON, plot and page.")] = _RESULTS,
) -> None:
    """Measure models against peers that take turns on the same CPUs, after their outputs were compared.

    Models, threads and peers are lists with commas between.
    """
    console = Console(highlight=False, soft_wrap=True)
    cpus = sorted(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    if load > _QUIET_LOAD:
        console.print(f"other processes are busy (load {load:.1f}): what is measured may mislead", style="yellow")
    contests: list[Contest] = []
    layers: dict[str, list[LayerTime]] = {}
    failure: Exception | None = None
    try:
        chosen, counts, names = parse_models(models), parse_threads(threads, len(cpus)), parse_peers(peers)
        with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
            for model in chosen:
                workload = _prepare(model, Path(temporary), console)
                entrants, failures = _enter(names, workload, Path(temporary), console)
                for count in counts:
                    contests.append(_measure(workload, entrants, failures, cpus[:count], rounds, console))
                    console.print(results_table(contests[-1]), costs_table(contests[-1]))
                    _print_failures(contests[-1], console)
                layers[workload.name] = profile_layers(workload.library, workload.inputs, measure_peak().gflops)
    except (CompileError, ContenderFailed, ModelError, ValueError) as error:
        failure = error
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
    if contests:  # also those that were measured before an error
        console.print(summary_table(contests))
        machine = {**describe_machine(), "load before": f"{load:.1f}"}
        console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
        _write(contests, layers, machine, results, console)
    if failure:
        raise typer.Exit(2) from failure


def _prepare(model: MobileNetV1 | Path, folder: Path, console: Console) -> Workload:
    """Export the network if it is the zoo's, and compile it."""
    if isinstance(model, Path):
        path = model
    else:
        path = folder / f"{variant_name(model)}.onnx"
        with console.status(f"exporting {path.stem}"):
            export_mobilenet_v1(model, path)
    with console.status(f"compiling {path.name}"):
        return prepare_workload(path, folder)


def _enter(
    names: Sequence[str], workload: Workload, folder: Path, console: Console
) -> tuple[list[Entrant], dict[str, str]]:
    """Who can take part, and why the others cannot."""
    entrants, failures = [], {}
    for name in names:
        with console.status(f"{workload.name}: preparing {name}"):
            try:
                entrants.append(prepare_entrant(name, workload, folder / "converted"))
            except ContenderFailed as error:
                failures[error.name] = error.reason
    return entrants, failures


def _measure(
    workload: Workload,
    entrants: Sequence[Entrant],
    failures: dict[str, str],
    cpus: Sequence[int],
    rounds: int,
    console: Console,
) -> Contest:
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"{workload.name}, {len(cpus)} threads", total=rounds)
        return hold_contest(
            workload,
            entrants,
            threads=len(cpus),
            cpus=cpus,
            rounds=rounds,
            failures=failures,
            advance=lambda: progress.advance(bar),
        )


def _print_failures(contest: Contest, console: Console) -> None:
    for name, reason in contest.failures.items():
        console.print(f"{name} failed: {reason}", style="yellow", markup=False)


def _write(
    contests: Sequence[Contest], layers: Layers, machine: dict[str, str], results: Path, console: Console
) -> None:
    results.mkdir(parents=True, exist_ok=True)
    stem = results / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    write_csv(contests, stem.with_suffix(".csv"))
    write_json(contests, layers, machine, stem.with_suffix(".json"))
    stem.with_suffix(".svg").write_text(latency_plot(contests))
    stem.with_suffix(".html").write_text(results_page(contests, layers, machine))
    console.print(f"written to {stem}.csv, .json, .svg and .html")


if __name__ == "__main__":
    app()
