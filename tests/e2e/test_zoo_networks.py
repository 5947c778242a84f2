"""Every network of the zoo, small and of its usual size, agrees with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

from separable.compiler.verify import compare_outputs
from separable.zoo.catalogue import build
from separable.zoo.export import export_network
from tests.zoo.small import CLASSIFIERS, DETECTORS

from .support import CompileLibrary, random_inputs, reference

# The others take longer or have no other operators.
QUICK = {
    "native": ("conv-mobilenet", "mobilenet-face-attributes", "squeezenet-1.0", "vgg16"),
    "arm64": ("squeezenet-1.1",),
}
SMALL = [
    pytest.param(name, target, marks=() if name in QUICK[target] else pytest.mark.slow)
    for name in CLASSIFIERS
    for target in QUICK
]
FULL_SIZE: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in (*CLASSIFIERS, *DETECTORS)),
    ("faster-rcnn-mobilenet", {"resolution": 300}),
    ("faster-rcnn-inception-v2", {"resolution": 300}),
]


@pytest.mark.parametrize(("name", "target"), SMALL)
def test_small(name: str, target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """Widths and resolutions that are multiples of nothing."""
    check(name, CLASSIFIERS[name], target, compile_library, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", QUICK)
@pytest.mark.parametrize(("name", "options"), FULL_SIZE)
def test_full_size(
    name: str, options: dict[str, Any], target: str, compile_library: CompileLibrary, tmp_path: Path
) -> None:
    check(name, options, target, compile_library, tmp_path)


def check(name: str, options: dict[str, Any], target: str, compile_library: CompileLibrary, folder: Path) -> None:
    """Export, compile, and compare all outputs with ONNX Runtime's; those of detectors as a set of boxes."""
    path = folder / "network.onnx"
    export_network(build(name, **options), path)
    library = compile_library(path, target)
    inputs = random_inputs(library.compiled)
    names = [spec["name"] for spec in library.compiled.manifest["outputs"]]
    ours, theirs = library.run(inputs, threads=2), reference(path, inputs)
    found = compare_outputs(dict(zip(names, ours, strict=True)), dict(zip(names, theirs, strict=True)))
    assert max(deviation.relative for deviation in found) <= 1e-4
