"""Where candidates run: one device or many, behind one function that may be called from several threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from separable.compiler.tuning.device import Candidate, Device, Finished


@dataclass(frozen=True)
class Ran:
    """How a program ended, and on which device."""

    device: str
    finished: Finished


class Pool(Protocol):
    """Devices that share the work.

    Attributes:
        size: how many candidates can run at the same time.
        overlap: whether candidates may be built meanwhile, without disturbing those that run.
    """

    size: int
    overlap: bool

    def run(self, candidate: Candidate) -> Ran:
        """Run a candidate to its end, on whichever device is free.

        Raises:
            TuningError: no device is left.
        """

    def close(self) -> None:
        """Give the devices back."""


class LocalPool:
    """One device, one candidate at a time.

    Attributes:
        cpus: the CPUs that candidates are pinned to: the last ones, as the system's own work tends to be on the first.
    """

    def __init__(self, device: Device, threads: int = 1) -> None:
        """Share out the CPUs of this machine: ``threads`` for the candidates, the rest for building the next ones."""
        allowed = sorted(os.sched_getaffinity(0))
        self.size = 1
        self.overlap = len(allowed) > threads
        self.cpus = ",".join(map(str, allowed[-threads:]))
        self._device = device
        self._lock = Lock()

    def run(self, candidate: Candidate) -> Ran:
        """Run a candidate when the one before it has ended."""
        with self._lock:
            return Ran(self._device.name, self._device.run(candidate))

    def close(self) -> None:
        """Give the device back."""
        self._device.close()
