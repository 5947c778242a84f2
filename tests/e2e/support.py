"""What the end-to-end tests share: models to compile, libraries to run from C, natively and under qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from separable.compiler.pipeline import Compiled
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SHARED = ROOT.parent / "shared"
# By arch: the emulator and the CPU it plays, the folder with the C library, and the package that has it.
EMULATORS = {
    "aarch64": ("qemu-aarch64", "max", Path("/usr/aarch64-linux-gnu"), "libc6-arm64-cross"),
    "armv7": ("qemu-arm", "cortex-a7", Path("/usr/arm-linux-gnueabihf"), "libc6-armhf-cross"),
}

FloatArray: TypeAlias = NDArray[np.float32]

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of trained models is not beside the project")


@dataclass(frozen=True)
class Library:
    """A compiled model and the C program that runs it.

    Attributes:
        compiled: what the compiler returned.
        model: the ONNX file.
        driver: ``driver.c``, built for the same target.
        emulator: the command that runs programs of the target, if it is another architecture.
    """

    compiled: Compiled
    model: Path
    driver: Path
    emulator: tuple[str, ...]

    def run(
        self, inputs: Mapping[str, FloatArray], threads: int = 1, images: int = 1, variant: str | None = None
    ) -> list[FloatArray]:
        """Run ``images`` inputs, stacked along the first axis, from C; return the outputs stacked the same way."""
        how = f"{threads}:{variant}" if variant else str(threads)
        manifest = self.compiled.manifest
        shapes = [spec["shape"] for spec in manifest["outputs"]]
        command = [*self.emulator, str(self.driver), str(self.compiled.library.resolve()), manifest["name"]]
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder) / f"input{index}" for index in range(len(inputs))]
            outputs = [Path(folder) / f"output{index}" for index in range(len(shapes))]
            for path, spec in zip(names, manifest["inputs"], strict=True):
                np.ascontiguousarray(inputs[spec["name"]], np.float32).tofile(path)
            sizes = [f"{path}={4 * int(np.prod(shape))}" for path, shape in zip(outputs, shapes, strict=True)]
            # An empty environment: the library needs neither Python nor a variable.
            subprocess.run(
                [*command, how, str(images), *map(str, names), "--", *sizes], check=True, timeout=600, env={}
            )
            results = [np.fromfile(path, np.float32) for path in outputs]
        return [r.reshape(images * shape[0], *shape[1:]) for r, shape in zip(results, shapes, strict=True)]


class CompileLibrary(Protocol):
    """Compiles a model for a target, once in a test process."""

    def __call__(self, model: Path, target: str, precision: str = "fp32") -> Library: ...


def build_driver(target: str, folder: Path) -> Path:
    """Compile ``driver.c`` for a target."""
    driver = folder / "driver"
    sources = [HERE / "driver.c", HERE / "strict_memory.c"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-rdynamic", "-ldl"]
    compile_and_link(driver, target=find_target(target), sources=sources, include_dirs=[ROOT / "runtime"], flags=flags)
    return driver


def emulator_for(target: str) -> tuple[str, ...]:
    """The command that runs programs of a target on this machine."""
    row = find_target(target)
    if row.arch == os.uname().machine:
        return ()
    program, cpu, sysroot, package = EMULATORS[row.arch]
    emulator = shutil.which(program)
    assert emulator, f"{row.arch} tests need qemu-user; `make test` installs it"
    assert sysroot.is_dir(), f"{row.arch} tests need {package}; `make test` installs it"
    # The plain row of ARMv7 must do without VFPv4.
    cpu = "cortex-a9" if row.arch == "armv7" and "vfp4" not in row.isa else cpu
    return (emulator, "-cpu", cpu, "-L", str(sysroot))


def reference(model: Path, inputs: Mapping[str, FloatArray]) -> list[FloatArray]:
    """The outputs of ONNX Runtime, which runs the nodes as they are."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return [np.asarray(output, np.float32) for output in session.run(None, dict(inputs))]


def random_inputs(compiled: Compiled, seed: int = 0) -> dict[str, FloatArray]:
    """Inputs of the right shapes, uniform in [-1, 1]."""
    generator = np.random.default_rng(seed)
    return {
        spec["name"]: generator.uniform(-1, 1, spec["shape"]).astype(np.float32) for spec in compiled.manifest["inputs"]
    }


def range_errors(actual: Sequence[FloatArray], expected: Sequence[FloatArray]) -> list[float]:
    """Largest error of each output, relative to the range of its expected values."""
    return [_largest_error(a, e) / max(float(np.ptp(e)), 1e-30) for a, e in zip(actual, expected, strict=True)]


def magnitude_errors(actual: Sequence[FloatArray], expected: Sequence[FloatArray]) -> list[float]:
    """Largest error of each output, relative to its largest expected value; for outputs that may be constant."""
    return [_largest_error(a, e) / max(float(np.abs(e).max()), 1e-30) for a, e in zip(actual, expected, strict=True)]


def _largest_error(actual: FloatArray, expected: FloatArray) -> float:
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max()) if np.isfinite(actual).all() else float("inf")
