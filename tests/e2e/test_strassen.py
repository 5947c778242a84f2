"""Networks whose 1x1 convolutions are computed by Strassen's algorithm, from the ONNX file to the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.schedules import strassen_tile
from tests.compiler.calls import call
from tests.compiler.models import make_model, node, random, save

from .support import CompileLibrary, range_errors, reference

TOLERANCE = 1e-5


def save_network(folder: Path) -> Path:
    """A wide layer, which leaves room for the sums of the others, of an odd number of pixels."""
    nodes = [
        node("Conv", "x w1 b1", "a", name="first"),
        node("Relu", "a", "b", name="relu"),
        node("Conv", "b w2 b2", "c", name="second"),
        node("Conv", "c w3 b3", "d", name="third"),
        node("Add", "d c", "y", name="add"),
    ]
    channels = {1: (256, 32), 2: (64, 256), 3: (64, 64)}
    weights = {f"w{n}": 0.1 * random(*shape, 1, 1, seed=n) for n, shape in channels.items()}
    weights |= {f"b{n}": random(shape[0], seed=10 + n) for n, shape in channels.items()}
    return save(make_model(nodes, {"x": (1, 32, 7, 5)}, weights=weights), folder)


@pytest.fixture(autouse=True)
def _always_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strassen_tile, "_WORTH_IT", float("inf"))


@pytest.mark.parametrize("target", ["native", "x86-64-v2", "x86-64-v3"])
def test_the_numbers_are_those_of_onnx_runtime(target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    library = compile_library(save_network(tmp_path), target)
    kernels = [entry["kernel"] for entry in library.compiled.manifest["kernels"]]
    assert any(kernel.startswith("strassen_inputs") for kernel in kernels)
    inputs = {"x": random(1, 32, 7, 5, seed=42)}
    expected = reference(library.model, inputs)
    one, two = library.run(inputs, threads=1), library.run(inputs, threads=2)
    np.testing.assert_array_equal(one[0], two[0])
    assert max(range_errors(one, expected)) <= TOLERANCE


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    model = save_network(tmp_path)
    manifests = {}
    for wanted in (True, False):
        compiled = compile_model(CompileOptions(model, output=tmp_path / f"{wanted}", strassen=wanted, verify=True))
        manifests[wanted] = json.loads((compiled.folder / "model.json").read_text())
    assert not any("strassen" in entry["kernel"] for entry in manifests[False]["kernels"])
    assert any("strassen" in entry["kernel"] for entry in manifests[True]["kernels"])
    for cost in ("mult_adds", "arena_bytes"):
        assert manifests[True][cost] == manifests[False][cost]


def test_it_can_be_switched_off_on_the_command_line(tmp_path: Path) -> None:
    model = str(save_network(tmp_path))
    shown = [call("inspect", model, *options) for options in ((), ("--no-strassen",))]
    assert ["strassen_0" in result.stdout for result in shown] == [True, False]
    result = call("compile", model, "--no-strassen", "-o", str(tmp_path / "out"))
    assert "strassen=False" in result.stderr
    assert "strassen" not in (tmp_path / "out" / "model.json").read_text()
