"""Real networks, compiled for this machine and for arm64, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from separable.compiler.picture import load_input
from separable.runtime.loader import load
from tests.e2e.support import SHARED, FloatArray, compile_library, random_inputs, range_errors, reference

MODELS = [
    "mobilenet_v1_1.0_224",
    "mobilenet_v1_0.75_224",
    "vww_96_fp32",
    "retinaface_mnet0.25_240x320",
    "ultraface_rfb_320",
]
TOLERANCE = 1e-4
PHOTOS = {"mobilenet_v1_1.0_224": (128.0, 128.0, 1, 256, 303), "mobilenet_v1_0.75_224": (127.5, 127.5, 0, 245, 304)}
"""Mean, standard deviation, index of the first class, and how many of 320 photos ONNX Runtime gets right (top 1, 5)."""

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of trained models is not beside the project")


@needs_shared
@pytest.mark.parametrize("target", ["native", "x86-64-v2", "x86-64-v3", "arm64", "arm64:cortex-a76"])
@pytest.mark.parametrize("name", MODELS)
def test_a_trained_network_gives_the_numbers_of_onnx_runtime(name: str, target: str, tmp_path: Path) -> None:
    model = SHARED / "models" / f"{name}.onnx"
    if target in ("x86-64-v2", "arm64:cortex-a76") and name == "mobilenet_v1_0.75_224":
        pytest.skip("the 1.0 network covers the same kernels for this target")
    library = compile_library(model, target, tmp_path)
    inputs = random_inputs(library.compiled)
    expected = reference(model, inputs)
    for threads in (1, 2):
        actual = library.run(inputs, tmp_path, threads)
        assert max(range_errors(actual, expected)) <= TOLERANCE


def photos(name: str, count: int) -> tuple[FloatArray, list[int]]:
    """Photos as network inputs, and the indices of their classes."""
    mean, std, first, *_ = PHOTOS[name]
    lines = (SHARED / "images" / "imagenet_val_labels.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if line.split(",")[1].strip().isdigit()][:count]
    folder = SHARED / "images" / "imagenet_val"
    batch = [load_input(folder / row[0], (1, 3, 224, 224), mean, std)[0] for row in rows]
    return np.stack(batch), [int(row[1]) + first for row in rows]


@needs_shared
@pytest.mark.parametrize("name", list(PHOTOS))
def test_photos_are_recognised_as_by_onnx_runtime(name: str, tmp_path: Path) -> None:
    batch, labels = photos(name, 320)
    assert len(labels) == 320
    library = compile_library(SHARED / "models" / f"{name}.onnx", "native", tmp_path)
    with load(library.compiled.library) as model:
        scores = np.concatenate([model(image[None]) for image in batch])
    ranks = [int((row > row[label]).sum()) for row, label in zip(scores, labels, strict=True)]
    assert (sum(rank < 1 for rank in ranks), sum(rank < 5 for rank in ranks)) == PHOTOS[name][3:]


@needs_shared
def test_photos_are_recognised_on_arm64(tmp_path: Path) -> None:
    name = "mobilenet_v1_1.0_224"
    batch, _ = photos(name, 8)
    model = SHARED / "models" / f"{name}.onnx"
    library = compile_library(model, "arm64", tmp_path)
    (actual,) = library.run({"input": batch}, tmp_path, images=8)
    expected = np.concatenate([reference(model, {"input": image[None]})[0] for image in batch])
    assert range_errors([actual], [expected])[0] <= TOLERANCE
    assert (actual.argmax(1) == expected.argmax(1)).all()
