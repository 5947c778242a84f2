"""Labelled pictures for training: a folder of one folder per class, or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm"})


class PicturesError(ValueError):
    """A folder does not hold labelled pictures; the message names the file or folder."""


@dataclass(frozen=True)
class Pictures:
    """Pictures and their classes.

    Attributes:
        values: uint8 [n, 3, size, size].
        labels: int64 [n], from 0.
        classes: their names.
    """

    values: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Pictures float32 [k, 3, size, size] in [-1, 1] and labels int64 [k] of these numbers."""
        return (self.values[numbers].astype(np.float32) / 127.5 - 1), self.labels[numbers]


def read_pictures(folder: Path, size: int) -> Pictures:
    """Read ``folder/CLASS/*.png`` and the like; classes and pictures are in the order of their names.

    Args:
        folder: holds a folder for each class.
        size: height and width that pictures are brought to.

    Raises:
        PicturesError: there are no classes, a class has no pictures, or a file is no picture.
        OSError: a file or folder cannot be read.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if not classes:
        raise PicturesError(f"{folder} holds no folders: pictures are expected in one folder for each class")
    values, labels = [], []
    for label, class_folder in enumerate(classes):
        files = sorted(path for path in class_folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        if not files:
            raise PicturesError(f"{class_folder} holds no pictures ({', '.join(sorted(_SUFFIXES))})")
        values += [_read(path, size) for path in files]
        labels += [label] * len(files)
    return Pictures(np.stack(values), np.array(labels, np.int64), tuple(path.name for path in classes))


def _read(path: Path, size: int) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            resized = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    except UnidentifiedImageError as error:
        raise PicturesError(f"{path} is no picture, or is damaged") from error
    return np.ascontiguousarray(np.asarray(resized, np.uint8).transpose(2, 0, 1))
