"""This machine as a device: each program in a process group of its own, with limits and a working directory."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from separable.compiler.emit.c_source import isa_mask
from separable.compiler.tuning.device import Candidate, DeviceLost, Finished
from separable.compiler.tuning.program import StaticLinker
from separable.targets.row import Target

_MOST_OUTPUT = 1 << 20
_TAIL = 4096
_FILE_BYTES = 64 << 20
_CPUINFO = Path("/proc/cpuinfo")
_ISA_SOURCES = ("isa_main.c", "isa.c")


class LocalDevice:
    """Runs programs here, one at a time.

    Attributes:
        name: the CPU's model name.
        runner: a command that programs of another architecture are started with, as ``("qemu-aarch64",)``.
    """

    def __init__(self, runner: Sequence[str] = ()) -> None:
        self.runner = tuple(runner)
        self.name = f"this machine ({_cpu_model()})"

    def describe(self) -> Mapping[str, object]:
        """The CPU and how many CPUs may be used."""
        return {"machine": platform.machine(), "cpu": _cpu_model(), "cpus": len(os.sched_getaffinity(0))}

    def run(self, candidate: Candidate) -> Finished:
        """Run a program to its end, or to that of its time; nothing of it is left behind.

        Raises:
            DeviceLost: the process cannot be started, as the system has no memory or no disk left.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="separable-run-") as folder:
                return self._run(candidate, Path(folder))
        except OSError as error:
            raise DeviceLost(f"this machine cannot start a candidate: {error}") from error

    def close(self) -> None:
        """Nothing to give back."""

    def _run(self, candidate: Candidate, folder: Path) -> Finished:
        work = folder / "work"
        work.mkdir()
        for name, path in candidate.files.items():
            (work / name).symlink_to(path.resolve())
        command = [*self.runner, str(candidate.program.resolve()), *candidate.arguments]
        with (folder / "stdout").open("w+b") as out, (folder / "stderr").open("w+b") as err:
            start = time.perf_counter()
            # An empty environment, as on every device; a group of its own, so that its children end with it.
            process = subprocess.Popen(
                _limited(command, candidate),
                cwd=work,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            timed_out = False
            try:
                process.wait(candidate.timeout_s)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            wall_s = time.perf_counter() - start
            out.seek(0)
            err.seek(max(0, err.seek(0, os.SEEK_END) - _TAIL))
            return Finished(
                process.returncode,
                out.read(_MOST_OUTPUT).decode(errors="replace"),
                err.read(_TAIL).decode(errors="replace"),
                timed_out,
                wall_s,
            )


def share_cpus(threads: int) -> tuple[str, bool]:
    """The CPUs that candidates of so many threads are pinned to, as ``0,2-3``, and whether any is left to build on.

    The last ones: the system's own work tends to be on the first.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, allowed[-threads:])), len(allowed) > threads


def missing_features(target: Target, device: LocalDevice) -> str:
    """The instruction-set features of a target of this machine's architecture that the CPU lacks; empty if none.

    The runtime is asked, as by a compiled library: the row that fits this CPU best need not name all that it has.

    Raises:
        ToolchainMissing, LinkError: there is no working C compiler.
    """
    with tempfile.TemporaryDirectory(prefix="separable-isa-") as folder:
        program = StaticLinker(target, Path(folder)).link(Path(folder, "isa.exe"), _ISA_SOURCES, [])
        return device.run(Candidate(program, {}, (str(isa_mask(target)),))).stdout.strip()


def _limited(command: Sequence[str], candidate: Candidate) -> list[str]:
    """A command that sets its limits, then becomes the program: cheaper than to fork this large process for it."""
    seconds = int(candidate.timeout_s * (os.cpu_count() or 1)) + 1
    limits = {"v": candidate.memory_bytes // 1024, "t": seconds, "f": _FILE_BYTES // 512, "c": 0}
    # Where the system allows less already, a limit cannot be set, and need not be.
    set_all = "; ".join(f"ulimit -{letter} {value} 2>/dev/null" for letter, value in limits.items())
    return ["/bin/sh", "-c", f'{set_all}; exec "$@"', "sh", *command]


def _cpu_model() -> str:
    try:
        lines = _CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.lower().startswith(("model name", "hardware"))]
    return names[0] if names else platform.machine()
