"""What the end-to-end tests share: models to compile, libraries to run from C, natively and under qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Compiled, compile_model
from separable.targets.table import find_target
from separable.targets.toolchain import compile_and_link

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
SYSROOT = Path("/usr/aarch64-linux-gnu")
DRIVER = [Path(__file__).with_name(name) for name in ("driver.c", "strict_memory.c")]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Library:
    """A compiled model and the C program that runs it."""

    compiled: Compiled
    driver: Path
    emulator: tuple[str, ...]

    def run(self, inputs: Mapping[str, FloatArray], folder: Path, threads: int = 1, images: int = 1) -> list[FloatArray]:
        """Run ``images`` inputs, stacked along the first axis, from C; return the outputs stacked the same way."""
        manifest = self.compiled.manifest
        arguments: list[str] = []
        for index, spec in enumerate(manifest["inputs"]):
            path = folder / f"input{index}.bin"
            np.ascontiguousarray(inputs[spec["name"]], np.float32).tofile(path)
            arguments.append(str(path))
        arguments.append("--")
        outputs = [folder / f"output{index}.bin" for index in range(len(manifest["outputs"]))]
        for path, spec in zip(outputs, manifest["outputs"], strict=True):
            arguments.append(f"{path}={4 * int(np.prod(spec['shape']))}")
        command = [*self.emulator, str(self.driver), str(self.compiled.library.resolve()), manifest["name"]]
        subprocess.run([*command, str(threads), str(images), *arguments], check=True, timeout=600)
        results = [np.fromfile(path, np.float32) for path in outputs]
        shapes = [spec["shape"] for spec in manifest["outputs"]]
        return [r.reshape(images * shape[0], *shape[1:]) for r, shape in zip(results, shapes, strict=True)]


def compile_library(model: Path, target: str, folder: Path) -> Library:
    """Compile a model and the driver for a target."""
    compiled = compile_model(CompileOptions(model, target=target, output=folder / "library"))
    row = find_target(target)
    driver = folder / "driver"
    compile_and_link(driver, target=row, sources=DRIVER, include_dirs=[ROOT / "runtime"], flags=["-O1", "-rdynamic", "-ldl"])
    if row.arch == os.uname().machine:
        return Library(compiled, driver, ())
    emulator = shutil.which("qemu-aarch64")
    assert emulator and SYSROOT.is_dir(), "arm64 tests need qemu-user and libc6-arm64-cross; `make test` installs them"
    return Library(compiled, driver, (emulator, "-cpu", "max", "-L", str(SYSROOT)))


def reference(model: Path, inputs: Mapping[str, FloatArray]) -> list[FloatArray]:
    """ONNX Runtime's outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
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
    return [
        float(np.abs(a - e).max() / max(float(np.ptp(e)), 1e-30)) if np.isfinite(a).all() else float("inf")
        for a, e in zip(actual, expected, strict=True)
    ]
