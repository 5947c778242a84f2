"""What ``benchmarks.choice`` has done so far: runs of choose, compiled networks, and turns; all of it in one folder."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from separable.benchmarks.contender import Contender
from separable.benchmarks.outputs import check_outputs
from separable.benchmarks.peers import OURS
from separable.benchmarks.peers.peer import Task
from separable.benchmarks.reference import reference_outputs
from separable.benchmarks.workload import random_inputs
from separable.compiler.choosing.member import Member
from separable.compiler.choosing.results import compiler_version
from separable.compiler.errors import CompileError
from separable.compiler.files import write_whole
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model

_RUNS = 5
_PICKS, _TURNS, _RESULTS = "picks.json", "turns.csv", "choose.jsonl"

Piece = tuple[str, Callable[[], None]]


@dataclass(frozen=True)
class Settings:
    """What is measured; a folder holds what was measured with the same ones only.

    Attributes:
        budgets: as ``choose --budget`` takes them.
        threads: of the networks.
        rounds: turns of each network in each of its processes.
        processes: how often the processes are started anew.
    """

    budgets: tuple[str, ...]
    threads: int
    rounds: int
    processes: int


class ChoiceFolder:
    """The pieces of the benchmark, each of which is done once.

    Attributes:
        picks: seconds that choose took, and the title that it named, by budget.
        turns: median milliseconds of each turn, by the number of the processes and the network's title.
    """

    def __init__(self, path: Path, settings: Settings, members: Sequence[Member]) -> None:
        """Open or make it.

        Raises:
            CompileError: it holds measurements of something else.
            OSError: it cannot be read or written.
        """
        self._path, self._settings, self._members = path, settings, members
        path.mkdir(parents=True, exist_ok=True)
        self.picks: dict[str, tuple[float, str]] = {}
        self.turns: dict[tuple[int, str], list[float]] = {}
        about = f"threads {settings.threads}, rounds {settings.rounds}, compiler {compiler_version()}"
        known = path / "about.txt"
        if known.exists() and known.read_text() != about:
            raise CompileError(f"{path} holds measurements with {known.read_text()}, not {about}: name another folder")
        write_whole(known, about)
        if (path / _PICKS).exists():
            self.picks = {text: (pick[0], pick[1]) for text, pick in json.loads((path / _PICKS).read_text()).items()}
        if (path / _TURNS).exists():
            with (path / _TURNS).open(newline="", encoding="utf-8") as file:
                for number, title, milliseconds in csv.reader(file):
                    self.turns.setdefault((int(number), title), []).append(float(milliseconds))

    def missing(self) -> Iterator[Piece]:
        """What is still to be done, and how it is called.

        A piece raises CompileError or ContenderFailed: a network cannot be compiled or run, or computes something else.
        """
        for budget in self._settings.budgets:
            if budget not in self.picks:
                yield f"choose --budget {budget}", lambda budget=budget: self._choose(budget)  # type: ignore[misc]
        for member in self._members:
            if not self._library(member).exists():
                yield f"compiling {member.title}", lambda member=member: self._compile(member)  # type: ignore[misc]
        for number in range(self._settings.processes):
            if (number, self._members[0].title) not in self.turns:
                yield f"processes {number + 1}", lambda number=number: self._measure(number)  # type: ignore[misc]

    def times(self, member: Member) -> list[float]:
        """All its turns."""
        return [time for (_, title), times in self.turns.items() if title == member.title for time in times]

    def _choose(self, budget: str) -> None:
        """Run it as its users do; only the first budget's run knows no results."""
        code = "from separable.compiler.cli import main; main()"
        options = ["--budget", budget, "--threads", str(self._settings.threads), "-o", str(self._path / _RESULTS)]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, "choose", *options], stdout=subprocess.PIPE, text=True, check=False
        )
        seconds = time.perf_counter() - start
        titles = [
            line.split(maxsplit=1)[1].partition(":")[0] for line in done.stdout.splitlines() if line[:7] == "choice "
        ]
        if done.returncode != 0 or not titles:
            raise CompileError(f"separable choose --budget {budget} named no network")
        self.picks[budget] = seconds, titles[0]
        write_whole(self._path / _PICKS, json.dumps(self.picks))

    def _library(self, member: Member) -> Path:
        return self._path / member.key / f"{member.key}.so"

    def _compile(self, member: Member) -> None:
        model = self._path / f"{member.key}.onnx"
        member.write(model)
        compiled = compile_model(CompileOptions(model, output=self._path / member.key))
        compiled.library.rename(self._library(member))

    def _measure(self, number: int) -> None:
        """All networks take turns, each in a process of its own, after their outputs were compared."""
        threads = self._settings.threads
        cpus = sorted(os.sched_getaffinity(0))[-threads:]
        turns: dict[str, list[float]] = {member.title: [] for member in self._members}
        with ExitStack() as stack:
            contenders = {}
            for member in self._members:
                inputs = random_inputs(self._library(member))
                expected = reference_outputs(self._path / f"{member.key}.onnx", inputs)
                shapes = {name: array.shape for name, array in expected.items()}
                task = Task(self._library(member), inputs, shapes, threads)
                contenders[member.title] = stack.enter_context(Contender(OURS, task, cpus))
                check_outputs(OURS, contenders[member.title].outputs, expected)
            for _ in range(self._settings.rounds):
                for title, contender in contenders.items():
                    turns[title].append(float(np.median(contender.take_turn(_RUNS))))
        self.turns |= {(number, title): times for title, times in turns.items()}
        lines = (f"{number},{title},{ms:.6f}\n" for (number, title), times in self.turns.items() for ms in times)
        write_whole(self._path / _TURNS, "".join(lines))
