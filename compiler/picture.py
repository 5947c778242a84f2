"""What goes into a picture network and what comes out: photos and arrays in, the most likely classes out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from separable.compiler.errors import InputError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")

# Photos are cut to their middle before they are scaled, as ImageNet networks are evaluated.
_CENTRAL_CROP = 0.875
_WORDNET_ID = re.compile(r"^n\d{8}\s+")

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """One class of a classifier's answer; ``label`` is empty where there are no labels."""

    index: int
    label: str
    probability: float


def load_input(
    path: Path,
    shape: Sequence[int],
    *,
    mean: float | Sequence[float] = 127.5,
    std: float | Sequence[float] = 127.5,
) -> FloatArray:
    """Read a model's input of the given shape from an array or a picture.

    A ``.npy`` file is taken as it is. A picture (``.jpg``, ``.png``) becomes RGB, its central 87.5 % of width and
    height are scaled bilinearly to the model's size, and each value v in 0..255 becomes ``(v - mean) / std``.

    Args:
        path: the file.
        shape: the input's shape; a picture needs [1, 3, height, width].
        mean: one value, or one for each of red, green and blue.
        std: one value, or one for each of red, green and blue.

    Returns:
        A contiguous float32 array of ``shape``, NCHW for a picture.

    Raises:
        InputError: the file cannot be read, or does not fit the shape.
    """
    if path.suffix.lower() == ".npy":
        return _load_array(path, tuple(shape))
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"{path}: an input is an array (.npy) or a picture ({', '.join(PICTURE_SUFFIXES)})")
    if len(shape) != 4 or tuple(shape[:2]) != (1, 3):
        raise InputError(
            f"{path}: the model's input {list(shape)} is no RGB picture [1, 3, height, width]; give a .npy"
        )
    pixels = _load_pixels(path, height=shape[2], width=shape[3])
    divisor = _per_channel(std)
    if not divisor.all():
        raise InputError("std is 0; the values of a picture are divided by it")
    normalised = (pixels - _per_channel(mean)) / divisor
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


def read_labels(path: Path) -> tuple[str, ...]:
    """The class names of a text file, one a line in the order of the classes; WordNet ids in front are dropped.

    Raises:
        InputError: the file cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read labels: {error}") from error
    if not lines:
        raise InputError(f"{path}: has no labels; expected one class name a line")
    return tuple(_WORDNET_ID.sub("", line).strip() for line in lines)


def top_k(scores: npt.NDArray[np.floating], labels: Sequence[str] | None = None, k: int = 5) -> list[Prediction]:
    """The ``k`` most likely classes, best first.

    Args:
        scores: a classifier's output for one picture, logits or probabilities; all dimensions but the classes are 1.
        labels: class names. A network with one class more than there are names has a background class in front.
        k: how many classes to return; at most all of them.

    Raises:
        InputError: the scores are not those of one picture, or the labels are too few or too many.
    """
    flat = np.asarray(scores, dtype=np.float64).ravel()
    if flat.size == 0 or flat.size != max(np.shape(scores), default=0):
        raise InputError(f"an output of shape {list(np.shape(scores))} is no list of class scores for one picture")
    names = _fit_labels(labels, flat.size)
    probabilities = flat if _is_distribution(flat) else _softmax(flat)
    best = np.argsort(-probabilities, kind="stable")[:k]
    return [Prediction(int(index), names[index], float(probabilities[index])) for index in best]


def _load_array(path: Path, shape: tuple[int, ...]) -> FloatArray:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot read the array: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:  # not numpy's own message, which advises to run the file's code
        raise InputError(f"{path}: is no array of numbers; write one with numpy.save") from error
    if array.dtype != np.float32:
        raise InputError(
            f"{path}: dtype is {array.dtype}, the model takes float32; save it with .astype(numpy.float32)"
        )
    if array.shape != shape:
        raise InputError(f"{path}: shape is {list(array.shape)}, the model takes {list(shape)}")
    return np.ascontiguousarray(array)


def _load_pixels(path: Path, *, height: int, width: int) -> FloatArray:
    """The middle of a picture as float32 [height, width, 3], values 0..255."""
    try:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot read the picture: {reason}") from error
    margin = (1 - _CENTRAL_CROP) / 2
    box = (margin * rgb.width, margin * rgb.height, (1 - margin) * rgb.width, (1 - margin) * rgb.height)
    return np.asarray(rgb.resize((width, height), Image.Resampling.BILINEAR, box=box), dtype=np.float32)


def _per_channel(values: float | Sequence[float]) -> FloatArray:
    array = np.asarray(values, dtype=np.float32)
    if array.shape not in ((), (3,)):
        raise InputError(f"mean and std take one value or three (red, green, blue), not {array.size}")
    return array


def _fit_labels(labels: Sequence[str] | None, classes: int) -> Sequence[str]:
    if labels is None:
        return [""] * classes
    if len(labels) == classes - 1:
        return ["background", *labels]
    if len(labels) != classes:
        raise InputError(f"{len(labels)} labels for {classes} classes; the file must name every class, one a line")
    return labels


def _is_distribution(scores: npt.NDArray[np.float64]) -> bool:
    return bool(scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3)


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    distribution: npt.NDArray[np.float64] = powers / powers.sum()
    return distribution
