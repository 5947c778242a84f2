"""``python -m benchmarks.choice``: does ``separable choose`` find the best network within a budget, and how fast?

``choose`` runs as its users run it, without results of earlier runs. Then every member of the family is measured at
length: all of them take turns on the same CPUs, in processes that are started anew several times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from separable.benchmarks.choice_folder import ChoiceFolder, Settings
from separable.benchmarks.contender import ContenderFailed
from separable.benchmarks.machine import describe_machine
from separable.compiler.choosing.member import Member
from separable.compiler.commands.family import paper_family
from separable.compiler.commands.units import parse_latency
from separable.compiler.errors import CompileError
from separable.compiler.intervals import median_interval

SECONDS, SHARE = 180, 0.03
"""The bar: so many seconds, and so near to the best."""
_FOLDER = Path(__file__).parent / "results" / "choice"

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


@app.command()
def main(
    budget: Annotated[list[str] | None, typer.Option(help="Budgets; the first one's run starts cold.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each network in each of its processes.")] = 15,
    processes: Annotated[int, typer.Option(min=3, help="How often the processes are started anew.")] = 4,
    folder: Annotated[Path, typer.Option(help="Keeps what was done; the same command goes on there.")] = _FOLDER,
    seconds: Annotated[
        float, typer.Option(help="Begin no further piece (choose, a network, the processes) after so long.")
    ] = math.inf,
) -> None:
    """Run choose, then measure the whole family at length and compare."""
    console = Console(highlight=False, soft_wrap=True)
    members = paper_family(interpolate=True)
    settings = Settings(tuple(budget or ["5ms"]), threads, rounds, processes)
    end = time.monotonic() + seconds
    try:
        work = ChoiceFolder(folder, settings, members)
        for name, piece in list(work.missing()):
            if time.monotonic() >= end:
                console.print(f"{name} and what follows is missing: the same command goes on")
                return
            console.print(name)
            piece()
    except (CompileError, ContenderFailed, OSError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    turns = {member.title: work.times(member) for member in members}
    console.print(_latencies(members, turns))
    medians = {title: float(np.median(times)) for title, times in turns.items()}
    verdicts = [judge(1e3 * parse_latency(text), *work.picks[text], members, medians) for text in settings.budgets]
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
