"""Networks of the zoo that need more than MobileNet does, as small as they get: they agree with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

from separable.zoo.catalogue import build
from separable.zoo.export import export_network
from tests.zoo.small import CLASSIFIERS, DETECTORS

from .support import CompileLibrary, random_inputs, range_errors, reference

TARGETS = ["native", "arm64:generic"]
BOXES = [
    *(pytest.param(name, target) for name in ("ssd-mobilenet", "faster-rcnn-mobilenet") for target in TARGETS),
    *(
        pytest.param(name, target, marks=pytest.mark.slow)
        for name in ("ssd-inception-v2", "ssd-vgg", "faster-rcnn-inception-v2", "faster-rcnn-vgg")
        for target in TARGETS
    ),
]


@pytest.mark.parametrize(
    ("name", "target"), [("alexnet", "native"), ("alexnet", "arm64:generic"), ("mobilenet-face-embedding", "native")]
)
def test_normalisations(name: str, target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """Local response normalisation, and the length of a vector."""
    path = tmp_path / "network.onnx"
    export_network(build(name, **CLASSIFIERS[name]), path)
    library = compile_library(path, target)
    inputs = random_inputs(library.compiled)
    assert max(range_errors(library.run(inputs, threads=2), reference(path, inputs))) <= 1e-4


@pytest.mark.parametrize(("name", "target"), BOXES)
def test_boxes(name: str, target: str, compile_library: CompileLibrary, tmp_path: Path) -> None:
    """The same boxes of the same classes, their scores within 1e-4, and nothing behind the last one."""
    path = tmp_path / "network.onnx"
    export_network(build(name, **DETECTORS[name]), path)
    library = compile_library(path, target)
    inputs = random_inputs(library.compiled)
    boxes, scores, classes, count = library.run(inputs, threads=2)
    theirs, their_scores, their_classes, their_count = reference(path, inputs)
    assert count == their_count > 1
    np.testing.assert_allclose(scores, their_scores, atol=1e-4)
    found = int(count[0])
    assert all(not array[0, found:].any() for array in (boxes, scores, classes))
    for box, label, score in zip(boxes[0, :found], classes[0], scores[0], strict=False):
        # Boxes of nearly equal scores may change places.
        alike = (their_classes[0] == label) & (np.abs(their_scores[0] - score) < 1e-4)
        assert np.abs(theirs[0][alike] - box).max(axis=1).min(initial=np.inf) < 0.1
