"""Builds the handwritten models of tests/runtime/models as libraries, as the compiler would."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BuildModel = Callable[..., Path]


@pytest.fixture(scope="session")
def c_compiler() -> list[str]:
    """The system's C compiler, else zig's."""
    system = shutil.which("cc")
    return [system] if system else [sys.executable, "-m", "ziglang", "cc"]


@pytest.fixture(scope="session")
def build_model(tmp_path_factory: pytest.TempPathFactory, c_compiler: list[str]) -> BuildModel:
    """A function ``(name, *flags) -> path of NAME.so`` in a folder of its own."""

    def build(name: str, *flags: str) -> Path:
        library = tmp_path_factory.mktemp(name) / f"{name}.so"
        sources = [ROOT / "tests" / "runtime" / "models" / f"{name}.c", *sorted((ROOT / "runtime").glob("*.c"))]
        options = ["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", f"-Wl,-soname,{library.name}"]
        options += [f"-I{ROOT / 'runtime'}", *flags]
        subprocess.run([*c_compiler, *options, *map(str, sources), "-lpthread", "-o", str(library)], check=True)
        return library

    return build
