"""``python -m benchmarks.tuning``: what a trial costs beside the time it measures, and what a budget finds.

First trials one by one, on this machine or on a device behind a tracker: seconds to build the program, to have it run,
and of these the seconds that the kernel itself was timed. Then a tuning of a network with a budget: the best so far
over time, and the tuned network against the default one.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from separable.benchmarks.machine import describe_machine
from separable.benchmarks.search import find_model
from separable.compiler.commands.tune import parse_budget
from separable.compiler.errors import CompileError
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Phases, build_model
from separable.compiler.tuning.candidate import CandidateBuilder, CandidateFailed, Effort, read_timing
from separable.compiler.tuning.fleet import DeviceSource, FixedSource, Fleet
from separable.compiler.tuning.local import LocalDevice, share_cpus
from separable.compiler.tuning.tasks import Task, tasks_of, weight_bytes
from separable.compiler.tuning.tune import TuneOptions, tune_model
from separable.compiler.tuning.view import TuneView, plot_curve, result_table, verdict_text

_RESULTS = Path(__file__).parent / "results"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Cost:
    """What one trial took.

    Attributes:
        kernel: of which task.
        build_s: tile to program.
        run_s: until the program's report was read, transfers included.
        timed_s: of these, the seconds in which the kernel was timed.
    """

    kernel: str
    build_s: float
    run_s: float
    timed_s: float

    @property
    def overhead_s(self) -> float:
        """Everything but the time that was measured."""
        return self.build_s + self.run_s - self.timed_s


def measure_costs(
    tasks: Sequence[Task], builder: CandidateBuilder, fleet: Fleet, effort: Effort, trials: int
) -> list[Cost]:
    """Trials of all tasks in turns, one after the other; the first of each, which makes its data, does not count."""
    costs = []
    for number in range(trials + len(tasks)):
        task = tasks[number % len(tasks)]
        tile = task.space.tiles[(number // len(tasks)) * 7 % len(task.space.tiles)]
        start = time.perf_counter()
        try:
            candidate = builder.build(task.workload, tile)
            built = time.perf_counter()
            timing = read_timing(fleet.submit(candidate).result())
        except CandidateFailed:
            continue
        done = time.perf_counter()
        # A sample is the mean of as many calls as take its least time.
        call_s = [sample / 1e9 for sample in timing.samples_ns]
        timed_s = sum(max(one, effort.microseconds / 1e6) for one in call_s)
        if number >= len(tasks):
            costs.append(Cost(task.name, built - start, done - built, timed_s))
    return costs


def costs_text(costs: Sequence[Cost]) -> str:
    """The medians, and the slowest tenth of the overheads."""
    overheads = sorted(cost.overhead_s for cost in costs)
    build, run, timed = (
        statistics.median(getattr(cost, name) for cost in costs) for name in ("build_s", "run_s", "timed_s")
    )
    return (
        f"{len(costs)} trials: build {build:.3f} s, run {run:.3f} s of which {timed:.3f} s are measured; overhead "
        f"{statistics.median(overheads):.3f} s (median), {overheads[int(0.9 * (len(overheads) - 1))]:.3f} s (90 %)"
    )


@app.command()
def main(
    model: Annotated[
        str, typer.Option(help="An ONNX file, or a network of the zoo: v1-ALPHA-RESOLUTION.")
    ] = "v1-1.0-224",
    target: Annotated[str, typer.Option(help="What to tune for.")] = "native",
    tracker: Annotated[str | None, typer.Option(help="Tracker of the devices, HOST:PORT.")] = None,
    key: Annotated[str, typer.Option(help="Key of the devices there.")] = "",
    trials: Annotated[int, typer.Option(min=1, help="Trials whose cost is measured.")] = 60,
    budget: Annotated[str, typer.Option(help="Of the tuning; 0 leaves it out.")] = "20m",
    records: Annotated[Path | None, typer.Option(help="Records file of the tuning; default: a new one.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    results: Annotated[Path, typer.Option(help="Folder for JSON, records and plot.")] = _RESULTS,
) -> None:
    """Measure the overhead of a trial, then tune a network."""
    console = Console(highlight=False, soft_wrap=True)
    results.mkdir(parents=True, exist_ok=True)
    content: dict[str, object] = {"machine": describe_machine(), "model": model, "target": target}
    try:
        with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
            path = find_model(model, Path(temporary))
            costs = _costs(path, target, tracker, key, threads, trials, Path(temporary))
            console.print(costs_text(costs))
            content["costs"] = [asdict(cost) for cost in costs]
            if budget != "0":
                options = TuneOptions(
                    path,
                    records or results / f"tuning-{path.stem}.json",
                    target,
                    tracker=tracker,
                    key=key,
                    budget_s=parse_budget(budget),
                    threads=threads,
                )
                content |= _tune(options, results, console)
    except CompileError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    report = results / "tuning.json"
    report.write_text(json.dumps(content, indent=1) + "\n")
    console.print(f"wrote {report}")


def _costs(
    path: Path, target: str, tracker: str | None, key: str, threads: int, trials: int, folder: Path
) -> list[Cost]:
    built = build_model(CompileOptions(path, target), Phases())
    cpus, _ = share_cpus(threads) if tracker is None else ("", True)
    effort = Effort()
    builder = CandidateBuilder(
        built.target,
        folder,
        threads=threads,
        rotate_bytes=weight_bytes(built.program),
        cpus=cpus,
        effort=effort,
    )
    with _devices(tracker, key) as source, Fleet(source) as fleet:
        return measure_costs(tasks_of(built), builder, fleet, effort, trials)


@contextmanager
def _devices(tracker: str | None, key: str) -> Iterator[DeviceSource]:
    if tracker is None:
        yield FixedSource([LocalDevice()])
        return
    from separable.compiler.tuning.remote import TrackerSource
    from separable.compiler.tuning.sockets import parse_address

    yield TrackerSource(parse_address(tracker), key)


def _tune(options: TuneOptions, results: Path, console: Console) -> dict[str, object]:
    """Tune; print the table and return what goes into the report."""
    with TuneView() as view:
        tuned = tune_model(options, view)
    console.print(result_table(tuned, {name: row.trials for name, row in view.rows.items()}, None))
    console.print(f"{tuned.trials} trials in {tuned.seconds:.0f} s: {tuned.seconds / max(1, tuned.trials):.3f} s each")
    console.print(verdict_text(tuned))
    plot_curve(view.curve, results / "tuning.png")
    duel = tuned.verdict.duel if tuned.verdict else None
    return {
        "seconds": tuned.seconds,
        "trials": tuned.trials,
        "curve": [asdict(point) for point in view.curve],
        "kept": {name: str(tile) for name, tile in tuned.verdict.tiles.items()} if tuned.verdict else {},
        "network_ratios": duel.ratios if duel else [],
    }


if __name__ == "__main__":
    app()
