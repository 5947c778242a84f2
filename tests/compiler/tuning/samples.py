"""Records, workloads and devices for the tests of tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from separable.compiler.tuning.device import Candidate, Finished
from separable.compiler.tuning.records import KERNEL, Record, row_key
from separable.schedules.space import Tile, space
from separable.schedules.tensor import Blocked
from separable.schedules.workload import Conv, Window, Workload
from separable.targets.row import Target
from separable.targets.table import find_target

TARGET = find_target("x86-64-v3")


def pointwise(channels: int = 64, size: int = 14, outputs: int | None = None, lanes: int = 8) -> Conv:
    """A 1x1 convolution."""
    return Conv(Blocked(channels, size, size, lanes), Blocked(outputs or channels, size, size, lanes), Window((1, 1)))


def make_record(
    w: Workload | None = None,
    tile: Tile | None = None,
    ns: float = 1000.0,
    stage: str = KERNEL,
    target: Target = TARGET,
    threads: int = 1,
    date: str = "2026-11-01T00:00:00Z",
) -> Record:
    """A record with everything in it."""
    w = w or pointwise()
    return Record(
        workload=w,
        target=row_key(target),
        threads=threads,
        tile=tile or space(w, target).default,
        stage=stage,
        samples_ns=(ns, ns + 10.0),
        device="board (Cortex-A76)",
        frequency_khz=(2400000, 2390000),
        versions={"separable": "0.1.0", "tvm": "0.27.0"},
        date=date,
    )


class FakeDevice:
    """A device that answers by a function."""

    name = "fake"

    def __init__(self, answer: Callable[[Candidate], Finished]) -> None:
        self.answer = answer
        self.ran: list[Candidate] = []

    def describe(self) -> Mapping[str, object]:
        return {}

    def run(self, candidate: Candidate) -> Finished:
        self.ran.append(candidate)
        return replace(self.answer(candidate), device=self.name)

    def close(self) -> None:
        """Nothing to do."""


def finished(stdout: str = "", returncode: int = 0, stderr: str = "", timed_out: bool = False) -> Finished:
    return Finished(returncode, stdout, stderr, timed_out, 0.1)
