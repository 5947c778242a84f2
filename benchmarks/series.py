"""Contests of one model after the other; what fails is left out, and the reason is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.contest import Contest, hold_contest
from separable.benchmarks.conversion import Entrant, prepare_entrant
from separable.benchmarks.layers import profile_layers
from separable.benchmarks.logbook import Logbook
from separable.benchmarks.program import build_program
from separable.benchmarks.report import costs_table, results_table
from separable.benchmarks.selection import model_name
from separable.benchmarks.workload import Workload, prepare_workload
from separable.compiler.peak import measure_peak
from separable.zoo.architecture import MobileNetV1
from separable.zoo.export import export_mobilenet_v1


@dataclass(frozen=True)
class Series:
    """What is the same for all models.

    Attributes:
        peers: who takes part, by name; ours first.
        thread_counts: each makes a contest of its own.
        cpus: the CPUs that may be used, at least as many as threads.
        rounds: turns of each contender in a contest.
        processes: fresh processes in which costs are measured.
        logbook: where everything goes.
        console: where progress and results are shown.
    """

    peers: Sequence[str]
    thread_counts: Sequence[int]
    cpus: Sequence[int]
    rounds: int
    processes: int
    logbook: Logbook
    console: Console

    def measure(self, model: MobileNetV1 | Path, folder: Path) -> None:
        """Hold the contests of one model and save the results after each; ``folder`` is for temporary files."""
        try:
            self._measure(model, folder)
        except Exception as error:  # Whatever is wrong with one model shall not cost those that are still to come.
            reason = f"{type(error).__name__}: {error}"
            self.logbook.failures[model_name(model)] = reason
            self.console.print(f"failed: {reason}", style="red", markup=False)
            self.logbook.save()

    def _measure(self, model: MobileNetV1 | Path, folder: Path) -> None:
        workload = self._prepare(model, folder)
        program = build_program(workload.library)
        entrants, failures = self._enter(workload)
        for threads in self.thread_counts:
            contest = self._hold(workload, program, entrants, failures, threads)
            self.logbook.contests.append(contest)
            self.logbook.save()
            self.console.print(results_table(contest), costs_table(contest))
            for name, reason in contest.failures.items():
                self.console.print(f"{name} failed: {reason}", style="yellow", markup=False)
        layers = profile_layers(workload.library, workload.inputs, measure_peak().gflops)
        self.logbook.layers[workload.name] = layers
        self.logbook.save()

    def _prepare(self, model: MobileNetV1 | Path, folder: Path) -> Workload:
        """Export the network if it is the zoo's, and compile it."""
        if isinstance(model, Path):
            path = model
        else:
            path = folder / f"{model_name(model)}.onnx"
            with self.console.status(f"exporting {path.stem}"):
                export_mobilenet_v1(model, path)
        with self.console.status(f"compiling {path.name}"):
            return prepare_workload(path, folder)

    def _enter(self, workload: Workload) -> tuple[list[Entrant], dict[str, str]]:
        """Who can take part, and why the others cannot."""
        entrants, failures = [], {}
        for name in self.peers:
            with self.console.status(f"{workload.name}: preparing {name}"):
                try:
                    entrants.append(prepare_entrant(name, workload))
                except ContenderFailed as error:
                    failures[error.name] = error.reason
        return entrants, failures

    def _hold(
        self,
        workload: Workload,
        program: Path,
        entrants: Sequence[Entrant],
        failures: dict[str, str],
        threads: int,
    ) -> Contest:
        with Progress(console=self.console, transient=True) as progress:
            bar = progress.add_task(f"{workload.name}, {threads} threads", total=self.rounds)
            return hold_contest(
                workload,
                entrants,
                threads=threads,
                cpus=self.cpus[:threads],
                rounds=self.rounds,
                processes=self.processes,
                program=program,
                failures=failures,
                advance=lambda: progress.advance(bar),
            )
