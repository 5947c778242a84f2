"""Compiled libraries and programs, made once in a test process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from tests.compiler.tiny import save_tiny

from .support import CompileLibrary, Library, build_driver, emulator_for


@pytest.fixture(scope="session")
def compile_library(tmp_path_factory: pytest.TempPathFactory) -> CompileLibrary:
    """A function ``(model, target, precision="fp32") -> Library``."""

    @cache
    def driver(target: str) -> Path:
        return build_driver(target, tmp_path_factory.mktemp("driver"))

    @cache
    def compile_for(model: Path, target: str, precision: str = "fp32") -> Library:
        folder = tmp_path_factory.mktemp(model.stem)
        compiled = compile_model(CompileOptions(model, target=target, output=folder, precision=precision))
        return Library(compiled, model, driver(target), emulator_for(target))

    return compile_for


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny network as ONNX."""
    return save_tiny(tmp_path_factory.mktemp("tiny"))
