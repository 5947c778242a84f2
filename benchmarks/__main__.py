"""``python -m benchmarks``: compiled models and their peers side by side, in one run."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.contest import Contest, hold_contest
from separable.benchmarks.machine import describe_machine
from separable.benchmarks.peers import PEERS
from separable.benchmarks.report import results_table, write_csv, write_json
from separable.benchmarks.statistics import FEWEST_ROUNDS
from separable.benchmarks.workload import Workload, prepare_workload
from separable.compiler.errors import CompileError
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1

_RESULTS = Path(__file__).parent / "results"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def benchmark(
    models: Annotated[list[Path] | None, typer.Option(help="More ONNX files, beside the zoo's. Repeatable.")] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Threads. Repeatable. [default: 1, 2]")] = None,
    rounds: Annotated[int, typer.Option(min=FEWEST_ROUNDS, help="Turns of each contender.")] = 30,
    alpha: Annotated[float, typer.Option(help="Width multiplier of the zoo's MobileNet V1.")] = 1.0,
    resolution: Annotated[int, typer.Option(help="Input resolution of the zoo's MobileNet V1.")] = 224,
    results: Annotated[Path, typer.Option(help="Folder for CSV and JSON.")] = _RESULTS,
) -> None:
    """Measure models against peers that take turns on the same CPUs, after their outputs were compared."""
    console = Console(highlight=False, soft_wrap=True)
    cpus = sorted(os.sched_getaffinity(0))
    counts = [count for count in threads or (1, 2) if count <= len(cpus)]
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
            workloads = _prepare(Path(temporary), models or [], alpha, resolution, console)
            contests = _measure(workloads, counts, cpus, rounds, console)
    except (CompileError, ContenderFailed, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    machine = describe_machine()
    for contest in contests:
        console.print(results_table(contest))
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    results.mkdir(parents=True, exist_ok=True)
    stem = results / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    write_csv(contests, stem.with_suffix(".csv"))
    write_json(contests, machine, stem.with_suffix(".json"))
    console.print(f"written to {stem}.csv and .json")


def _prepare(folder: Path, models: list[Path], alpha: float, resolution: int, console: Console) -> list[Workload]:
    """Export the zoo's network and compile everything."""
    zoo = folder / f"mobilenet_v1_{alpha}_{resolution}_zoo.onnx"
    with console.status("exporting the zoo's network"):
        export_mobilenet_v1(MobileNetV1(alpha, resolution), zoo)
    workloads = []
    for model in (zoo, *models):
        with console.status(f"compiling {model.name}"):
            workloads.append(prepare_workload(model, folder))
    return workloads


def _measure(
    workloads: list[Workload], counts: list[int], cpus: list[int], rounds: int, console: Console
) -> list[Contest]:
    contests = []
    with Progress(console=console, transient=True) as progress:
        for workload in workloads:
            for count in counts:
                bar = progress.add_task(f"{workload.name}, {count} thread{'s' * (count > 1)}", total=rounds)
                contest = hold_contest(
                    workload.task(count),
                    name=workload.name,
                    flops=workload.flops,
                    peers=PEERS,
                    cpus=cpus[:count],
                    rounds=rounds,
                    advance=lambda bar=bar: progress.advance(bar),  # type: ignore[misc]
                )
                contests.append(contest)
    return contests


if __name__ == "__main__":
    app()
