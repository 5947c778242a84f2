"""A peer in a process of its own, where its threads, its allocator and its libraries leave the others alone."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np

from separable.benchmarks.peers import find_peer
from separable.benchmarks.peers.peer import Array, Session, Task

# Threads of the contender before still wait for work with open eyes for a few milliseconds.
_SETTLE_SECONDS = 0.01
# Runs that bring code, weights and activations back into the caches.
_WARM_RUNS = 3


class ContenderFailed(Exception):
    """A peer cannot run the model; the message names the peer and says why."""


@dataclass(frozen=True)
class _Ready:
    title: str
    outputs: Mapping[str, Array]


class Contender:
    """One peer with one model, ready to take its turns.

    Attributes:
        name: the peer's module.
        title: the peer's name and version.
        outputs: what it computed for the task's inputs, by output name.
    """

    def __init__(self, name: str, task: Task, cpus: Sequence[int]) -> None:
        """Start the process on the given CPUs and run the model once.

        Raises:
            ContenderFailed: the peer is not installed or cannot run the model.
        """
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, task, tuple(cpus)), daemon=True)
        self._process.start()
        theirs.close()
        ready: _Ready = self._ask()
        self.title, self.outputs = ready.title, ready.outputs

    def take_turn(self, runs: int) -> list[float]:
        """Run the model ``runs`` times in a row, caches warm; return each time in milliseconds.

        Raises:
            ContenderFailed: the peer gave up.
        """
        times: list[float] = self._ask(runs)
        return times

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, runs: int | None = None) -> Any:
        try:
            if runs is not None:
                self._pipe.send(runs)
            reply = self._pipe.recv()
        except (EOFError, ConnectionError):
            self.close()
            raise ContenderFailed(f"{self.name}: its process ended with code {self._process.exitcode}") from None
        if isinstance(reply, ContenderFailed):
            self.close()
            raise reply
        return reply


def _serve(pipe: Connection, name: str, task: Task, cpus: tuple[int, ...]) -> None:
    """The process: answer each number of runs with their times until the pipe is closed."""
    os.sched_setaffinity(0, cpus)
    try:
        peer = find_peer(name)
        session = peer.open_session(task)
        session.run()
        pipe.send(_Ready(peer.TITLE, {key: np.array(array) for key, array in session.outputs.items()}))
        while True:
            pipe.send(_time_runs(session, pipe.recv()))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return
    except Exception as error:
        pipe.send(ContenderFailed(f"{name}: {type(error).__name__}: {error}"))


def _time_runs(session: Session, runs: int) -> list[float]:
    time.sleep(_SETTLE_SECONDS)
    for _ in range(_WARM_RUNS):
        session.run()
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        session.run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times
