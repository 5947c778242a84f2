from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from separable.compiler.errors import InputError
from separable.compiler.picture import load_input, read_labels, top_k

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
CAT = ROOT / "zoo" / "pictures" / "cat.jpg"

SHAPE = (1, 3, 32, 48)


def save_picture(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_the_project_s_picture_fills_the_input() -> None:
    values = load_input(CAT, (1, 3, 224, 224))
    assert values.shape == (1, 3, 224, 224)
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert -1 <= values.min() < values.max() <= 1


def test_colours_keep_their_order_and_are_normalised(tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[...] = (255, 127, 0)
    values = load_input(save_picture(tmp_path / "plain.png", pixels), SHAPE)
    np.testing.assert_allclose(values[0, :, 0, 0], (1, (127 - 127.5) / 127.5, -1), rtol=1e-6)


def test_mean_and_std_may_differ_by_channel(tmp_path: Path) -> None:
    pixels = np.full((40, 60, 3), 100, np.uint8)
    path = save_picture(tmp_path / "plain.png", pixels)
    values = load_input(path, SHAPE, mean=(100, 50, 0), std=(1, 2, 4))
    np.testing.assert_array_equal(values[0, :, 5, 7], (0, 25, 25))


def test_the_outer_eighth_is_cut_off(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[4:-4, 4:-4] = 255
    values = load_input(save_picture(tmp_path / "framed.png", pixels), (1, 3, 56, 56), mean=0, std=1)
    assert values.min() == 255


def test_a_gradient_is_scaled_bilinearly_around_the_middle(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.arange(64, dtype=np.uint8)[np.newaxis, :, np.newaxis], (64, 64, 3))
    values = load_input(save_picture(tmp_path / "ramp.png", np.ascontiguousarray(pixels)), (1, 3, 7, 7), mean=0, std=1)
    # Columns 4..60 in seven steps of 8; each step's mean lies at its middle.
    np.testing.assert_allclose(values[0, 0, 0, 1:-1], 4 + 8 * np.arange(1, 6) + 3.5, atol=0.51)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    Image.new("RGB", (60, 40), (204, 204, 204)).convert(mode).save(path)
    values = load_input(path, SHAPE, mean=0, std=1)
    np.testing.assert_allclose(values, 204, atol=3)


def test_an_array_is_taken_as_it_is(tmp_path: Path) -> None:
    array = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.save(tmp_path / "x.npy", array.T)
    np.testing.assert_array_equal(load_input(tmp_path / "x.npy", (4, 2)), array.T)
    assert load_input(tmp_path / "x.npy", (4, 2)).flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 2)), r"dtype is float64.*astype"),
        (np.zeros((2, 4), np.float32), r"shape is \[2, 4\], the model takes \[4, 2\]"),
    ],
)
def test_an_array_that_does_not_fit_is_an_error(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=message):
        load_input(tmp_path / "x.npy", (4, 2))


@pytest.mark.parametrize("name", ["x.npy", "x.jpg", "x.png"])
@pytest.mark.parametrize("data", [None, b"", b"neither picture nor array"])
def test_an_unreadable_file_is_an_error_that_names_it(name: str, data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        load_input(tmp_path / name, SHAPE)


def test_a_truncated_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(CAT.read_bytes()[:10_000])
    with pytest.raises(InputError, match=r"half\.jpg: cannot read the picture"):
        load_input(tmp_path / "half.jpg", SHAPE)


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match="is no array of numbers"):
        load_input(tmp_path / "x.npy", (1,))


def test_an_unknown_kind_of_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.npy.*\.jpg"):
        load_input(tmp_path / "x.bmp", SHAPE)


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (3, 32, 32), (2, 3, 32, 32)])
def test_a_picture_needs_a_picture_s_input(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="no RGB picture"):
        load_input(CAT, shape)


@pytest.mark.parametrize(("mean", "std"), [((1, 2), 1), (0, 0), (0, (1, 0, 1))])
def test_an_unusable_normalisation_is_an_error(mean: tuple[float, ...], std: float) -> None:
    with pytest.raises(InputError, match="std"):
        load_input(CAT, SHAPE, mean=mean, std=std)


def test_labels_lose_their_wordnet_ids(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("n01440764 tench, Tinca tinca\nplain name\n")
    assert read_labels(tmp_path / "labels.txt") == ("tench, Tinca tinca", "plain name")


@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe\x00"])
def test_unusable_labels_are_an_error(data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "labels.txt").write_bytes(data)
    with pytest.raises(InputError, match=r"labels\.txt"):
        read_labels(tmp_path / "labels.txt")


def test_the_most_likely_classes_come_first() -> None:
    logits = np.log(np.array([[0.1, 0.6, 0.3]], np.float32)) + 7
    predictions = top_k(logits, ["a", "b", "c"], k=2)
    assert [(prediction.index, prediction.label) for prediction in predictions] == [(1, "b"), (2, "c")]
    assert [prediction.probability for prediction in predictions] == pytest.approx([0.6, 0.3])


def test_probabilities_are_left_as_they_are() -> None:
    assert top_k(np.array([0.25, 0.75], np.float32))[0].probability == 0.75


def test_one_class_more_than_labels_is_the_background() -> None:
    assert [prediction.label for prediction in top_k(np.array([3.0, 2.0, 1.0]), ["a", "b"])] == ["background", "a", "b"]


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c", "d"]])
def test_a_wrong_number_of_labels_is_an_error(labels: list[str]) -> None:
    with pytest.raises(InputError, match="3 classes"):
        top_k(np.zeros(3), labels)


@pytest.mark.parametrize("shape", [(0,), (), (2, 3), (1, 4, 2)])
def test_an_output_that_is_no_classifier_s_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="no list of class scores"):
        top_k(np.zeros(shape))


@pytest.mark.skipif(not SHARED.exists(), reason="the trained networks and photos are not at hand")
@pytest.mark.parametrize(
    ("network", "centre", "correct"),
    [("mobilenet_v1_1.0_224", 128.0, (256, 303)), ("mobilenet_v1_0.75_224", 127.5, (245, 304))],
)
def test_photos_are_recognised_as_often_as_on_record(network: str, centre: float, correct: tuple[int, int]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(SHARED / "models" / f"{network}.onnx")
    with (SHARED / "images" / "imagenet_val_labels.csv").open(newline="") as file:
        photos = list(csv.DictReader(file))
    first = anywhere = 0
    for photo in photos:
        path = SHARED / "images" / "imagenet_val" / photo["file"]
        picture = load_input(path, (1, 3, 224, 224), mean=centre, std=centre)
        (logits,) = session.run(None, {"input": picture})
        background = logits.shape[1] - 1000
        answers = [prediction.index - background for prediction in top_k(logits)]
        first += answers[0] == int(photo["label"])
        anywhere += int(photo["label"]) in answers
    assert (first, anywhere) == correct
