"""Count the instructions of one inference: compile a model, build a program around it, run that under qemu."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.targets.errors import ToolchainError, ToolchainNotFound, UnknownTargetName
from separable.targets.host import detect_host
from separable.targets.row import Target
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

_HERE = Path(__file__).parent
_SYSROOT = Path("/usr/aarch64-linux-gnu")
_SECONDS = 300


class CountFailed(Exception):
    """The instructions cannot be counted; the message says why and what to do."""


@dataclass(frozen=True)
class Counts:
    """Instructions of one inference on one thread, after a first one.

    Attributes:
        total: all of them.
        vector_fma: multiply-accumulates of vectors.
        vector_loads: loads of vector registers, a pair or more at once counting as one.
        hottest_share: part of ``total`` that the hottest straight piece of code is.
        hottest_instructions: its length.
        hottest_vector_fma: multiply-accumulates of vectors in it.
    """

    total: int
    vector_fma: int
    vector_loads: int
    hottest_share: float
    hottest_instructions: int
    hottest_vector_fma: int


def count_instructions(model: Path, target_name: str, precision: str = "fp32") -> Counts:
    """Compile a model for an arm64 target and count one inference.

    Raises:
        CountFailed: the target is no arm64, qemu or the C library for arm64 are missing, or the program failed.
        CompileError: the model cannot be compiled.
    """
    target = _arm64(target_name)
    emulator = _emulator()
    with tempfile.TemporaryDirectory(prefix="separable-") as temporary:
        folder = Path(temporary)
        library = compile_model(CompileOptions(model, target=target_name, output=folder, precision=precision)).library
        try:
            counter, program = _build_counter(folder), _build_program(library, target)
        except (ToolchainError, ToolchainNotFound) as error:
            raise CountFailed(str(error)) from error
        report = folder / "counts.json"
        # The CPU decides which instructions there are, not how many are executed.
        command = [emulator, "-cpu", "max", "-L", str(_SYSROOT), "-plugin", f"{counter},out={report}", str(program)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CountFailed(f"{emulator} did not run the program: {error}") from error
        if done.returncode != 0 or not report.exists():
            raise CountFailed(f"{emulator} ended with code {done.returncode}: {done.stderr.strip() or 'no counts'}")
        return parse_counts(report.read_text())


def parse_counts(text: str) -> Counts:
    """What the plugin wrote.

    Raises:
        CountFailed: a figure is missing.
    """
    try:
        figures: dict[str, Any] = json.loads(text)
        hottest = figures["hottest"]
        return Counts(
            total=int(figures["total"]),
            vector_fma=int(figures["vector_fma"]),
            vector_loads=int(figures["vector_loads"]),
            hottest_share=float(hottest["share"]),
            hottest_instructions=int(hottest["instructions"]),
            hottest_vector_fma=int(hottest["vector_fma"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CountFailed(f"the plugin wrote {text[:100]!r} instead of its counts") from error


def _arm64(name: str) -> Target:
    try:
        target = find_target(name)
    except UnknownTargetName as error:
        raise CountFailed(str(error)) from error
    if target.arch != "aarch64":
        raise CountFailed(f"instructions are counted for arm64 targets, not for {name}")
    return target


def _emulator() -> str:
    emulator = shutil.which("qemu-aarch64")
    if emulator is None:
        raise CountFailed("there is no qemu-aarch64; install the package qemu-user")
    if not _SYSROOT.is_dir():
        raise CountFailed(f"there is no arm64 C library in {_SYSROOT}; install the package libc6-arm64-cross")
    return emulator


def _build_counter(folder: Path) -> Path:
    counter = folder / "counter.so"
    flags = ["-std=gnu11", "-fPIC", "-shared"]
    compile_and_link(counter, target=detect_host(), sources=[_HERE / "counter.c"], flags=flags)
    return counter


def _build_program(library: Path, target: Target) -> Path:
    """``program.c`` linked with a compiled model, beside it."""
    program = library.with_name("program")
    compile_and_link(
        program,
        target=target,
        sources=[_HERE / "program.c"],
        objects=[library],
        include_dirs=[library.parent],
        flags=[
            *("-std=gnu11", "-O1", f"-DMODEL={library.stem}", f'-DMODEL_HEADER="{library.stem}.h"'),
            f"-Wl,-rpath,{library.parent.resolve()}",
        ],
    )
    return program
