"""The paper's family of networks: every width and resolution agrees with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from separable.zoo.architecture import Activation, MobileNetV1
from separable.zoo.export import export_mobilenet_v1

from .support import CompileLibrary, random_inputs, range_errors, reference

ALPHAS = (1.0, 0.75, 0.5, 0.25)
RESOLUTIONS = (224, 192, 160, 128)
QUICK: tuple[tuple[float, int, Activation], ...] = (
    (0.25, 128, "relu"),
    (0.25, 160, "relu6"),
    (0.5, 128, "relu6"),
    (0.75, 128, "relu"),
)
# Widths and sizes that are multiples of nothing.
ODD: tuple[tuple[float, int, Activation], ...] = ((0.3, 97, "relu"), (0.07, 33, "relu6"))


def variants() -> Iterator[object]:
    for alpha, resolution, activation in (*QUICK, *ODD):
        yield pytest.param(alpha, resolution, activation)
    activations: tuple[Activation, ...] = ("relu", "relu6")
    for variant in product(ALPHAS, RESOLUTIONS, activations):
        if variant not in QUICK:
            yield pytest.param(*variant, marks=pytest.mark.slow)


@pytest.mark.parametrize(("alpha", "resolution", "activation"), list(variants()))
def test_a_variant_agrees_with_onnx_runtime(
    alpha: float, resolution: int, activation: Activation, compile_library: CompileLibrary, tmp_path: Path
) -> None:
    network = MobileNetV1(alpha, resolution, classes=100, activation=activation)
    path = tmp_path / "mobilenet.onnx"
    export_mobilenet_v1(network, path)
    library = compile_library(path, "native")
    inputs = random_inputs(library.compiled)
    expected = reference(path, inputs)
    for threads in (1, 2):
        assert max(range_errors(library.run(inputs, threads), expected)) <= 1e-4
