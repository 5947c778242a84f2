"""``python -m benchmarks.estimate``: how far ``separable estimate`` is from what networks take on this machine.

Networks are compiled, run, and estimated without a look at the times. What was measured is kept by the checksum of the
library, so that a run which was broken off goes on where it was, and estimates can be compared anew without measuring.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from separable.benchmarks.machine import describe_machine, pinned
from separable.benchmarks.selection import ALL_VARIANTS, model_name, parse_models, parse_threads
from separable.benchmarks.workload import random_inputs
from separable.compiler.errors import CompileError
from separable.compiler.estimate import Estimate, code_mixes, estimate_built
from separable.compiler.files import write_whole
from separable.compiler.options import CompileOptions
from separable.compiler.peak import measure_peak
from separable.compiler.pipeline import Phases, build_model, compile_model
from separable.runtime.loader import ModelError, load
from separable.targets.errors import ToolchainError, UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import NATIVE, find_target
from separable.zoo.architecture import MobileNetV1

_RESULTS = Path(__file__).resolve().parent / "results" / "estimate"
_SECONDS, _FEWEST_RUNS, _PROFILES = 1.0, 30, 30

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Timing:
    """What one library took.

    Attributes:
        milliseconds: the median run.
        kernels_us: the median time of each step in microseconds, in execution order.
        ghz: the clock, in 10^9 cycles per second: the FMA peak measured just before, by that of a cycle.
    """

    milliseconds: float
    kernels_us: tuple[float, ...]
    ghz: float


@dataclass(frozen=True)
class Trial:
    """One network: the estimate beside the truth."""

    model: str
    estimate: Estimate
    timing: Timing

    @property
    def error(self) -> float:
        """How much longer than it takes the estimate is, in parts of the time: negative where it is too short."""
        return self.estimate.milliseconds / self.timing.milliseconds - 1

    @property
    def inside(self) -> bool:
        """Whether the time is within the estimate's bounds."""
        return self.estimate.low <= self.timing.milliseconds <= self.estimate.high


def median_error(trials: Sequence[Trial]) -> float:
    """The median of the networks' errors, whichever way they go."""
    return statistics.median(abs(trial.error) for trial in trials)


def measure(library: Path, threads: int, target: Target) -> Timing:
    """Time a library on the first CPUs that may be used: runs during a second, 30 at least, then kernel by kernel."""
    inputs = random_inputs(library)
    with pinned(sorted(os.sched_getaffinity(0))[:threads]), load(library, threads=threads) as model:
        ghz = measure_peak(1, target).gflops / target.flops_per_cycle
        times: list[float] = []
        begin = time.perf_counter()
        while time.perf_counter() < begin + _SECONDS or len(times) < _FEWEST_RUNS:
            start = time.perf_counter()
            model.run(inputs)
            times.append(time.perf_counter() - start)
        profiles = [[kernel.nanoseconds for kernel in model.profile(inputs)] for _ in range(_PROFILES)]
    kernels = np.median(profiles, axis=0) / 1e3
    return Timing(1e3 * statistics.median(times[len(times) // 10 :]), tuple(kernels.tolist()), ghz)


def on_this_machine(row: Target, host: Target) -> Target:
    """The core of a row with the clock, caches and memory of this machine, whose code for the row is measured here."""
    names = ("l1_bytes", "l2_bytes", "l2_cores", "l3_bytes", "ghz", "l2_bytes_per_cycle", "l3_bytes_per_cycle")
    own = {name: getattr(host, name) for name in (*names, "memory_gb_per_s", "chip_gb_per_s")}
    return replace(row, **own)


class Bench:
    """A folder with networks and with the times of libraries, by checksum and threads."""

    def __init__(self, folder: Path, again: bool) -> None:
        self._folder = folder
        self._again = again
        self._file = folder / "timings.json"
        self._timings: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def trials(self, model: MobileNetV1 | Path, target: str, thread_counts: Sequence[int]) -> list[Trial]:
        """Compile, measure what is not known yet, and estimate.

        Raises:
            CompileError: it cannot be compiled, or there is no time for the target.
            ModelError: it does not run here.
        """
        path = self._exported(model)
        compiled = compile_model(CompileOptions(path, target=target, output=self._folder / f"{path.stem}-{target}"))
        machine = on_this_machine(find_target(target), detect_host())
        timings = {}
        for threads in thread_counts:
            key = f"{compiled.manifest['sha256']}-{threads}"
            if self._again or key not in self._timings:
                self._timings[key] = asdict(measure(compiled.library, threads, machine))
                write_whole(self._file, json.dumps(self._timings, indent=1))
            timings[threads] = _timing(self._timings[key])
        built = build_model(CompileOptions(path, target=target), Phases())
        mixes = code_mixes(built)
        return [
            Trial(path.stem, estimate_built(built, threads, machine, mixes), timing)
            for threads, timing in timings.items()
        ]

    def _exported(self, model: MobileNetV1 | Path) -> Path:
        if isinstance(model, Path):
            return model
        path = self._folder / f"{model_name(model)}.onnx"
        if not path.exists():
            from separable.zoo.export import export_mobilenet_v1  # only here: it needs torch

            export_mobilenet_v1(model, path)
        return path


def _timing(entry: Mapping[str, Any]) -> Timing:
    return Timing(float(entry["milliseconds"]), tuple(map(float, entry["kernels_us"])), float(entry["ghz"]))


def trials_table(trials: Sequence[Trial]) -> Table:
    """A row for each network."""
    table = Table("network", "target", box=None)
    for column in ("threads", "measured ms", "estimated", "from", "to", "error", "clock GHz", "assumed"):
        table.add_column(column, justify="right")
    for trial in trials:
        estimate, timing = trial.estimate, trial.timing
        times = (timing.milliseconds, estimate.milliseconds, estimate.low, estimate.high)
        table.add_row(
            trial.model,
            estimate.target,
            str(estimate.threads),
            *(f"{milliseconds:.3f}" for milliseconds in times),
            f"{trial.error:+.1%}",
            f"{timing.ghz:.2f}",
            f"{estimate.ghz:.2f}",
        )
    return table


def kinds_table(trials: Sequence[Trial]) -> Table:
    """What each kind of kernel took and was estimated to take, over all networks that ran on one thread."""
    table = Table("kernel", box=None)
    for column in ("calls", "share", "estimated / measured", "median error of a call"):
        table.add_column(column, justify="right")
    calls: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        for kernel, us in zip(trial.estimate.kernels, trial.timing.kernels_us, strict=True):
            calls.setdefault(kernel.kernel.rpartition("_")[0], []).append((1e3 * kernel.milliseconds, us))
    total = sum(us for pairs in calls.values() for _, us in pairs)
    for kind, pairs in sorted(calls.items(), key=lambda item: -sum(us for _, us in item[1])):
        estimated, measured = (sum(column) for column in zip(*pairs, strict=True))
        off = statistics.median(abs(guess / max(us, 1e-3) - 1) for guess, us in pairs)
        table.add_row(kind, str(len(pairs)), f"{measured / total:.1%}", f"{estimated / measured:.2f}", f"{off:.0%}")
    return table


@app.command()
def benchmark(
    models: Annotated[str, typer.Option(help="Networks such as v1-0.5-160, all-variants, ONNX files.")] = ALL_VARIANTS,
    targets: Annotated[str, typer.Option(help="Rows whose code this machine runs.")] = NATIVE,
    threads: Annotated[str, typer.Option(help="Numbers of threads.")] = "1",
    results: Annotated[Path, typer.Option(help="Folder for networks and times; a second run measures no more.")] = (
        _RESULTS
    ),
    again: Annotated[bool, typer.Option("--again", help="Measure what was measured before.")] = False,
) -> None:
    """Compare estimates with measurements; models, targets and threads are lists with commas between."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, 130)  # a file has the table's width
    trials: list[Trial] = []
    try:
        chosen, counts = parse_models(models), parse_threads(threads, len(os.sched_getaffinity(0)))
        results.mkdir(parents=True, exist_ok=True)
        bench = Bench(results, again)
        for target in targets.split(","):
            for model in chosen:
                with console.status(f"{model_name(model)} for {target}"):
                    trials += bench.trials(model, target.strip(), counts)
    except (CompileError, ModelError, OSError, ToolchainError, UnknownTargetName, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    console.print(trials_table(trials))
    console.print(kinds_table(trials))
    console.print(
        f"median error {median_error(trials):.1%}, largest {max(abs(trial.error) for trial in trials):.1%}, "
        f"within the bounds {sum(trial.inside for trial in trials)} of {len(trials)}"
    )
    console.print(", ".join(f"{name} {value}" for name, value in describe_machine().items()))


if __name__ == "__main__":
    app()
