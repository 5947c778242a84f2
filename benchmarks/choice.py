"""``python -m benchmarks.choice``: does ``separable choose`` find the best network within a budget, and how fast?

``choose`` runs as its users run it, without results of earlier runs. Then every member of the family is measured at
length: all of them take turns on the same CPUs, in processes that are started anew several times.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from separable.benchmarks.contender import Contender, ContenderFailed
from separable.benchmarks.machine import describe_machine
from separable.benchmarks.outputs import check_outputs
from separable.benchmarks.peers import OURS
from separable.benchmarks.workload import Workload, prepare_workload
from separable.compiler.choosing.member import Member
from separable.compiler.commands.family import paper_family
from separable.compiler.commands.units import parse_latency
from separable.compiler.errors import CompileError
from separable.compiler.intervals import median_interval

SECONDS, SHARE = 180, 0.03
"""The bar: so many seconds, and so near to the best."""
_RUNS = 5

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Verdict:
    """What became of one budget.

    Attributes:
        budget_ms: the budget.
        seconds: that ``choose`` took.
        pick: what it named.
        best: the most accurate member that is within the budget when all are measured at length.
        pick_ms: the pick's latency then.
    """

    budget_ms: float
    seconds: float
    pick: Member
    best: Member
    pick_ms: float

    @property
    def accuracy_share(self) -> float:
        """The pick's accuracy as a share of the best one's."""
        assert self.pick.accuracy is not None
        assert self.best.accuracy is not None
        return self.pick.accuracy.value / self.best.accuracy.value

    @property
    def holds(self) -> bool:
        """Whether the pick is as near to the best as the bar asks, within the budget and in time."""
        near = self.accuracy_share >= 1 - SHARE and self.pick_ms <= (1 + SHARE) * self.budget_ms
        return near and self.seconds <= SECONDS


def judge(
    budget_ms: float, seconds: float, title: str, members: Sequence[Member], medians: Mapping[str, float]
) -> Verdict:
    """Hold a pick against what was measured at length.

    Args:
        budget_ms: the budget.
        seconds: that ``choose`` took.
        title: of its pick.
        members: the family.
        medians: latency of each member in milliseconds, by title.

    Raises:
        ValueError: no member is within the budget.
    """
    fitting = [member for member in members if member.accuracy and medians[member.title] <= budget_ms]
    best = max(fitting, key=lambda member: (member.accuracy.value if member.accuracy else 0, -medians[member.title]))
    (pick,) = (member for member in members if member.title == title)
    return Verdict(budget_ms, seconds, pick, best, medians[title])


def run_choose(budget: str, threads: int, results: Path) -> tuple[float, str]:
    """Seconds, and the title of the pick.

    Raises:
        CompileError: it names none.
    """
    code = "from separable.compiler.cli import main; main()"
    command = [sys.executable, "-c", code, "choose", "--budget", budget, "--threads", str(threads), "-o", str(results)]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    titles = [line.split(maxsplit=1)[1].partition(":")[0] for line in done.stdout.splitlines() if line[:7] == "choice "]
    if done.returncode != 0 or not titles:
        raise CompileError(f"separable choose --budget {budget} named no network")
    return seconds, titles[0]


def measure_at_length(
    workloads: Mapping[str, Workload], threads: int, rounds: int, processes: int, console: Console
) -> dict[str, list[float]]:
    """Median milliseconds of each turn, by title; contenders take turns.

    Raises:
        ContenderFailed: one does not run, or computes something else than ONNX Runtime.
    """
    turns: dict[str, list[float]] = {title: [] for title in workloads}
    cpus = sorted(os.sched_getaffinity(0))[-threads:]
    for number in range(processes):
        with ExitStack() as stack:
            contenders = {}
            for title, workload in workloads.items():
                contender = stack.enter_context(Contender(OURS, workload.task(workload.library, threads), cpus))
                check_outputs(OURS, contender.outputs, workload.expected)
                contenders[title] = contender
            for _ in track(range(rounds), f"processes {number + 1} of {processes}", console=console, transient=True):
                for title, contender in contenders.items():
                    turns[title].append(float(np.median(contender.take_turn(_RUNS))))
    return turns


@app.command()
def main(
    budget: Annotated[list[str] | None, typer.Option(help="Budgets; the first one's run starts cold.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each network in each of its processes.")] = 15,
    processes: Annotated[int, typer.Option(min=3, help="How often the processes are started anew.")] = 4,
) -> None:
    """Run choose, then measure the whole family at length and compare."""
    console = Console(highlight=False, soft_wrap=True)
    members = paper_family(interpolate=True)
    try:
        with tempfile.TemporaryDirectory(prefix="separable-choice-") as temporary:
            folder = Path(temporary)
            picks = {text: run_choose(text, threads, folder / "choose.jsonl") for text in budget or ["5ms"]}
            workloads = {}
            for member in track(members, "compiling", console=console, transient=True):
                member.write(folder / f"{member.key}.onnx")
                workloads[member.title] = prepare_workload(folder / f"{member.key}.onnx", folder)
            turns = measure_at_length(workloads, threads, rounds, processes, console)
    except (CompileError, ContenderFailed) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    console.print(_latencies(members, turns))
    medians = {title: float(np.median(times)) for title, times in turns.items()}
    verdicts = [judge(1e3 * parse_latency(text), *picks[text], members, medians) for text in picks]
    console.print(_verdicts(verdicts))
    console.print(", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(1)


def _latencies(members: Sequence[Member], turns: Mapping[str, Sequence[float]]) -> Table:
    table = Table("network", "accuracy", "ms", "95 %")
    for member in members:
        low, high = median_interval(turns[member.title])
        median = float(np.median(turns[member.title]))
        table.add_row(member.title, str(member.accuracy), f"{median:.3f}", f"{low:.3f} to {high:.3f}")
    return table


def _verdicts(verdicts: Sequence[Verdict]) -> Table:
    table = Table("budget ms", "choose, s", "pick", "its ms / budget", "best", "accuracy / best", "bar")
    for verdict in verdicts:
        table.add_row(
            f"{verdict.budget_ms:g}",
            f"{verdict.seconds:.0f}",
            verdict.pick.title,
            f"{verdict.pick_ms / verdict.budget_ms:.3f}",
            verdict.best.title,
            f"{verdict.accuracy_share:.3f}",
            "holds" if verdict.holds else "missed",
        )
    return table


if __name__ == "__main__":
    app()
