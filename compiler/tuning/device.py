"""What the search knows of a device: it runs programs, and says how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from separable.compiler.tuning.errors import DeviceLost

__all__ = ["Candidate", "Device", "DeviceLost", "Finished"]


@dataclass(frozen=True)
class Candidate:
    """A program to run on a device, with its data.

    Attributes:
        program: static executable for the device.
        files: data files by the name they have in the program's working directory. The same content is transferred
            once in a session, known by its SHA-256.
        arguments: of the program, its own name not counted.
        timeout_s: seconds by the clock on the wall after which the program is killed.
        memory_bytes: address space that the program may have.
    """

    program: Path
    files: Mapping[str, Path]
    arguments: tuple[str, ...] = ()
    timeout_s: float = 10.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True)
class Finished:
    """A program that ended, whatever it did.

    Attributes:
        returncode: exit status; negative: the signal that ended it.
        stdout: what it printed, up to a limit of the device.
        stderr: the tail of its messages.
        timed_out: whether it was killed after its time.
        wall_s: seconds it ran.
        device: what it ran on, in words.
    """

    returncode: int
    stdout: str
    stderr: str
    timed_out: bool
    wall_s: float
    device: str = ""


class Device(Protocol):
    """Something that runs programs one after the other."""

    name: str  # for messages and records, as "pixel at 127.0.0.1:9200 (Cortex-A76)"

    def describe(self) -> Mapping[str, object]:
        """What the device says of itself: model, CPUs, clocks, governor, temperature, instruction set."""

    def run(self, candidate: Candidate) -> Finished:
        """Run a program to its end.

        Raises:
            DeviceLost: the device failed, not the program.
        """

    def close(self) -> None:
        """Give the device back."""
