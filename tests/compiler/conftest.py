from __future__ import annotations

from pathlib import Path

import pytest

from separable.compiler.pipeline import Compiled

from .tiny import compile_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The tiny network compiled for this machine; ``tiny.folder.parent`` holds ``tiny.onnx``."""
    return compile_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny_onnx(tiny: Compiled) -> Path:
    return tiny.folder.parent / "tiny.onnx"
