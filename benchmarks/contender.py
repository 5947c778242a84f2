"""A peer in a process of its own, where its threads, its allocator and its libraries leave the others alone."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from separable.benchmarks.peers.peer import Task
from separable.benchmarks.server import Failure, Ready, Start

# Signals are on their way for some microseconds.
_SETTLE_SECONDS = 0.001
_CLOSE_SECONDS = 5
# Whoever takes longer to load a model or for one turn will not come back.
_ANSWER_SECONDS = 300


class ContenderFailed(Exception):
    """A peer cannot run the model; the message names the peer and says why.

    Attributes:
        name: the peer's module.
        reason: why.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


class Contender:
    """One peer with one model, ready to take its turns. Between them its process is stopped, so that no thread spins.

    Attributes:
        name: the peer's module.
        title: the peer's name and version.
        outputs: what it computed for the task's inputs, by output name.
        costs: what it took to get there.
    """

    def __init__(self, name: str, task: Task, cpus: Sequence[int], python: Path = Path(sys.executable)) -> None:
        """Start the process on the given CPUs with the interpreter ``python`` and run the model once.

        Raises:
            ContenderFailed: the peer is not installed or cannot run the model.
        """
        self.name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the process
        self._pipe, theirs = multiprocessing.Pipe()
        with theirs:
            # -P keeps the working folder, whose names are general, out of the way of the peer's imports.
            self._process = subprocess.Popen(
                [python, "-P", "-m", "separable.benchmarks.server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        ready: Ready = self._ask(Start(name, task, tuple(cpus)))
        self.title, self.outputs, self.costs = ready.title, ready.outputs, ready.costs
        self._process.send_signal(signal.SIGSTOP)

    def take_turn(self, runs: int) -> list[float]:
        """Run the model ``runs`` times in a row, caches warm; return each time in milliseconds.

        Raises:
            ContenderFailed: the peer gave up.
        """
        self._process.send_signal(signal.SIGCONT)
        times: list[float] = self._ask(runs)
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(_SETTLE_SECONDS)
        return times

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, message: Start | int) -> Any:
        try:
            self._pipe.send(message)
            late = not self._pipe.poll(_ANSWER_SECONDS)
            reply = Failure(f"it gave no answer for {_ANSWER_SECONDS} s") if late else self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.wait(_CLOSE_SECONDS)
            reply = Failure(f"its process ended with code {self._process.returncode}{self._last_words()}")
        if isinstance(reply, Failure):
            self.close()
            raise ContenderFailed(self.name, reply.reason)
        return reply

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")
