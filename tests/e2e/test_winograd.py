"""Networks whose 3x3 convolutions are all computed by Winograd's algorithm, from the ONNX file to the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.schedules import winograd_tile
from tests.compiler.calls import call
from tests.compiler.models import make_model, node, random, save

from .support import CompileLibrary, range_errors, reference

TOLERANCE = 1e-5


def save_network(folder: Path) -> Path:
    """Convolutions of sizes and channels that nothing divides: one padded on one side, one with a sum after it."""
    nodes = [
        node("Conv", "x w1 b1", "a", name="first", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b", name="relu"),
        node("Conv", "b w2 b2", "c", name="second", pads=[1, 1, 1, 1]),
        node("Add", "c b", "d", name="add"),
        node("Conv", "d w3 b3", "y", name="third", pads=[2, 0, 0, 1]),
    ]
    channels = {1: (19, 3), 2: (19, 19), 3: (6, 19)}
    weights = {f"w{n}": 0.1 * random(*shape, 3, 3, seed=n) for n, shape in channels.items()}
    weights |= {f"b{n}": random(shape[0], seed=10 + n) for n, shape in channels.items()}
    return save(make_model(nodes, {"x": (1, 3, 13, 11)}, weights=weights), folder)


@pytest.mark.parametrize("target", ["native", "x86-64-v2", "arm64:generic", "arm64:cortex-a76", "armv7"])
def test_the_numbers_are_those_of_onnx_runtime(
    target: str, compile_library: CompileLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd_tile, "_WORTH_IT", float("inf"))
    library = compile_library(save_network(tmp_path), target)
    kernels = [entry["kernel"] for entry in library.compiled.manifest["kernels"]]
    assert sum(kernel.startswith("winograd") for kernel in kernels) == 2  # the first one reads a plain image
    inputs = {"x": random(1, 3, 13, 11, seed=42)}
    expected = reference(library.model, inputs)
    one, two = library.run(inputs, threads=1), library.run(inputs, threads=2)
    np.testing.assert_array_equal(one[0], two[0])
    assert max(range_errors(one, expected)) <= TOLERANCE


def test_it_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd_tile, "_WORTH_IT", float("inf"))
    model = save_network(tmp_path)
    manifests = {}
    for wanted in (True, False):
        compiled = compile_model(CompileOptions(model, output=tmp_path / f"{wanted}", winograd=wanted, verify=True))
        manifests[wanted] = json.loads((compiled.folder / "model.json").read_text())
    assert not any("winograd" in entry["kernel"] for entry in manifests[False]["kernels"])
    assert any("winograd" in entry["kernel"] for entry in manifests[True]["kernels"])
    assert manifests[True]["mult_adds"] == manifests[False]["mult_adds"]
    costs = [
        [(entry["type"], entry["mult_adds"], entry["parameters"]) for entry in manifest["kernels"]]
        for manifest in manifests.values()
    ]
    assert costs[0] == costs[1]


def test_it_can_be_switched_off_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd_tile, "_WORTH_IT", float("inf"))
    model = str(save_network(tmp_path))
    shown = [call("inspect", model, *options) for options in ((), ("--no-winograd",))]
    assert ["winograd_0" in result.stdout for result in shown] == [True, False]
    result = call("compile", model, "--no-winograd", "-o", str(tmp_path / "out"))
    assert "winograd=False" in result.stderr
    assert "winograd" not in (tmp_path / "out" / "model.json").read_text()
