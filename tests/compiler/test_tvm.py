from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_torch_is_not_imported_with_tvm_but_stays_importable() -> None:
    run(
        "import importlib.util, sys\n"
        "import separable.compiler.importer\n"
        "assert 'torch' not in sys.modules\n"
        "importlib.util.find_spec('torch')\n"
    )


def test_a_torch_that_is_already_there_is_left_alone() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    run("import sys, torch, separable.compiler.exprs\nassert sys.modules['torch'] is torch\n")
