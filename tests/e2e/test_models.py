"""Real networks, compiled for this machine and for arm64, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from separable.compiler.picture import load_input
from separable.runtime.loader import load

from .support import SHARED, CompileLibrary, FloatArray, needs_shared, random_inputs, range_errors, reference

TARGETS = ["native", "x86-64-v2", "x86-64-v3", "arm64:generic", "arm64:cortex-a76"]
QUICK = {
    "vww_96_fp32": TARGETS,
    "mobilenet_v1_1.0_224": ["native", "x86-64-v2", "arm64:cortex-a76"],
    "mobilenet_v1_0.75_224": ["native"],
    "retinaface_mnet0.25_240x320": ["native", "arm64:cortex-a76"],
    "ultraface_rfb_320": ["native", "arm64:cortex-a76"],
}
"""Networks and targets that every change is tested with: each network, and each target with one of them at least."""

TOLERANCE = 1e-4
MAX_OVERHEAD_BYTES = 1_500_000
PHOTOS = {"mobilenet_v1_1.0_224": (128.0, 128.0, 1, 256, 303), "mobilenet_v1_0.75_224": (127.5, 127.5, 0, 245, 304)}
"""Mean, standard deviation, index of the first class, and how many of 320 photos ONNX Runtime gets right (top 1, 5)."""

pytestmark = needs_shared


def same_worker(name: str) -> pytest.MarkDecorator:
    """Tests that share compiled libraries run in one process."""
    return pytest.mark.xdist_group(name)


def cases() -> Iterator[object]:
    for name in QUICK:
        for target in TARGETS:
            marks = [same_worker(name), *([] if target in QUICK[name] else [pytest.mark.slow])]
            yield pytest.param(name, target, marks=marks)


@pytest.mark.parametrize(("name", "target"), list(cases()))
def test_a_trained_network_gives_the_numbers_of_onnx_runtime(
    name: str, target: str, compile_library: CompileLibrary
) -> None:
    library = compile_library(SHARED / "models" / f"{name}.onnx", target)
    inputs = random_inputs(library.compiled)
    expected = reference(library.model, inputs)
    for threads in (1, 2):
        assert max(range_errors(library.run(inputs, threads), expected)) <= TOLERANCE
    manifest = library.compiled.manifest
    assert manifest["file_bytes"] <= manifest["weight_bytes"] + MAX_OVERHEAD_BYTES


def photos(name: str, count: int) -> tuple[FloatArray, list[int]]:
    """Photos as network inputs, and the indices of their classes."""
    mean, std, first, *_ = PHOTOS[name]
    lines = (SHARED / "images" / "imagenet_val_labels.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if line.split(",")[1].strip().isdigit()][:count]
    folder = SHARED / "images" / "imagenet_val"
    batch = [load_input(folder / row[0], (1, 3, 224, 224), mean=mean, std=std)[0] for row in rows]
    return np.stack(batch), [int(row[1]) + first for row in rows]


@pytest.mark.parametrize("name", [pytest.param(name, marks=same_worker(name)) for name in PHOTOS])
def test_photos_are_recognised_as_by_onnx_runtime(name: str, compile_library: CompileLibrary) -> None:
    batch, labels = photos(name, 320)
    assert len(labels) == 320
    library = compile_library(SHARED / "models" / f"{name}.onnx", "native")
    with load(library.compiled.library) as model:
        scores = np.concatenate([model(image[None]) for image in batch])
    ranks = [int((row > row[label]).sum()) for row, label in zip(scores, labels, strict=True)]
    assert (sum(rank < 1 for rank in ranks), sum(rank < 5 for rank in ranks)) == PHOTOS[name][3:]


@same_worker("mobilenet_v1_1.0_224")
def test_photos_are_recognised_on_arm64(compile_library: CompileLibrary) -> None:
    name = "mobilenet_v1_1.0_224"
    batch, _ = photos(name, 4)
    library = compile_library(SHARED / "models" / f"{name}.onnx", "arm64:generic")
    (actual,) = library.run({"input": batch}, images=4)
    expected = np.concatenate([reference(library.model, {"input": image[None]})[0] for image in batch])
    assert max(range_errors([actual], [expected])) <= TOLERANCE
    assert (actual.argmax(1) == expected.argmax(1)).all()
