"""The process of a contender: ``python -m separable.benchmarks.server FILE_DESCRIPTOR``, in the peer's environment.

It needs numpy and the peer. The descriptor is one end of a ``multiprocessing`` pipe. A :class:`Start` comes first and
is answered by a :class:`Ready`, each number of runs after it by their times in milliseconds; the answer to anything may
be a :class:`Failure` instead, and then the process ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from separable.benchmarks.costs import Costs
from separable.benchmarks.peers import PEERS, find_peer
from separable.benchmarks.peers.peer import Array, Session, Task

# Threads wake up and caches fill before the time counts.
_WARM_RUNS = 3
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Start:
    """Which peer runs what, on which CPUs."""

    peer: str
    task: Task
    cpus: tuple[int, ...]


@dataclass(frozen=True)
class Ready:
    """The peer's title, the outputs of its first run, and what it cost."""

    title: str
    outputs: Mapping[str, Array]
    costs: Costs


@dataclass(frozen=True)
class Failure:
    """Why the peer cannot run the model."""

    reason: str


def serve(pipe: Connection) -> None:
    """Answer until the pipe is closed."""
    # Stopped between turns it would not notice that the benchmark was killed, and stay for ever.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        start: Start = pipe.recv()
        os.sched_setaffinity(0, start.cpus)
        session, ready = _open(start)
        pipe.send(ready)
        while True:
            pipe.send(_time_runs(session, pipe.recv()))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return
    except Exception as error:
        pipe.send(Failure(f"{type(error).__name__}: {error}"))


def _open(start: Start) -> tuple[Session, Ready]:
    for module in PEERS[start.peer].interface:
        import_module(module)
    before = _resident_mb("VmRSS")
    peer = find_peer(start.peer)
    times = [time.perf_counter()]
    session = peer.open_session(start.task)
    times.append(time.perf_counter())
    session.run()
    times.append(time.perf_counter())
    load, first_run = (1e3 * float(seconds) for seconds in np.diff(times))
    outputs = {name: np.array(array) for name, array in session.outputs.items()}
    return session, Ready(peer.TITLE, outputs, Costs(load, first_run, _resident_mb("VmHWM") - before))


def _resident_mb(field: str) -> float:
    """``VmRSS``, this process's resident memory, or ``VmHWM``, its peak, in 10^6 bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    raise OSError(f"/proc/self/status has no {field}")


def _time_runs(session: Session, runs: int) -> list[float]:
    for _ in range(_WARM_RUNS):
        session.run()
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        session.run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


if __name__ == "__main__":
    # Under its own name: what a pipe carries is of separable.benchmarks.server on both sides, not of __main__.
    from separable.benchmarks import server

    server.serve(Connection(int(sys.argv[1])))
