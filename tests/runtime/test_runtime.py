"""Builds the runtime with CMake and runs its C tests: plain, under sanitizers, and for arm64 and armv7 under qemu."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from separable.targets.toolchain import STATIC

from .conftest import ROOT, BuildModel


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_and_test(build: Path, *options: str) -> None:
    run("cmake", "-S", ROOT, "-B", build, *options)
    run("cmake", "--build", build, "--parallel", str(os.cpu_count()))
    assert "100% tests passed, 0 tests failed out of 8" in run("ctest", "--test-dir", build, "--output-on-failure")


@pytest.mark.parametrize("sanitizer", ["", "address", "thread"])
def test_c_tests(tmp_path: Path, sanitizer: str) -> None:
    build_and_test(tmp_path, f"-DSEPARABLE_SANITIZE={sanitizer}")


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="needs qemu-aarch64 (package qemu-user)")
@pytest.mark.parametrize(("arch", "target"), [("aarch64", "aarch64-linux-musl"), ("arm", "arm-linux-musleabihf")])
def test_c_tests_on_arm(arch: str, target: str, tmp_path: Path) -> None:
    """Cross-compiled by zig through a toolchain file; static musl needs no system of the other kind to run."""
    settings = ["set(CMAKE_SYSTEM_NAME Linux)", f"set(CMAKE_SYSTEM_PROCESSOR {arch})"]
    # As the agent is built: zig builds a musl for each way, and CMake's own tests would ask for others.
    compiler = f"cc -target {target} {' '.join(STATIC)}"
    for variable, tool in {"C_COMPILER": compiler, "AR": "ar", "RANLIB": "ranlib"}.items():
        script = tmp_path / variable
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ziglang {tool} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        settings.append(f'set(CMAKE_{variable} "{script}")')
    settings.append(f"set(CMAKE_CROSSCOMPILING_EMULATOR qemu-{arch})")
    (tmp_path / "toolchain.cmake").write_text("\n".join(settings))
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'toolchain.cmake'}"
    build_and_test(tmp_path / "build", toolchain, "-DCMAKE_BUILD_TYPE=Release")


def test_example(tmp_path: Path, build_model: BuildModel) -> None:
    """The C example, built for a model's folder, prints the outputs for zeros."""
    folder = build_model("blur").parent
    shutil.copy(ROOT / "tests" / "runtime" / "models" / "blur.h", folder)
    options = [f"-DSEPARABLE_MODEL_DIR={folder}", "-DSEPARABLE_MODEL_NAME=blur", "-DBUILD_TESTING=OFF"]
    run("cmake", "-S", ROOT, "-B", tmp_path, f"-DCMAKE_C_FLAGS=-I{ROOT / 'runtime'}", *options)
    run("cmake", "--build", tmp_path, "--target", "example")
    assert run(tmp_path / "example").splitlines()[-1] == "output 0: 1 1 1 1 1"


@pytest.mark.parametrize(
    ("folder", "name", "missing"),
    [
        ("nowhere", "blur", "nowhere/blur.h"),
        ("", "blur", "/blur.h"),
        ("here", "", "here/.h"),
        ("here", "x", "here/x.so"),
    ],
)
def test_example_without_a_model(folder: str, name: str, missing: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x.h").touch()
    place = tmp_path / folder if folder else ""
    options = [f"-DSEPARABLE_MODEL_DIR={place}", f"-DSEPARABLE_MODEL_NAME={name}", "-DBUILD_TESTING=OFF"]
    command = ["cmake", "-S", str(ROOT), "-B", str(tmp_path / "build"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    message = " ".join(done.stderr.split())
    assert f"{missing}: set SEPARABLE_MODEL_DIR" in message, message


@pytest.mark.parametrize(("folder", "lines"), [("runtime", 920), ("runtime/ops", 400)])
def test_size_stays_small(folder: str, lines: int) -> None:
    """What every model links stays under 920 lines of C, the kernels under 400, without comments and blank lines."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / folder).glob("*.[ch]")))
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) < lines
