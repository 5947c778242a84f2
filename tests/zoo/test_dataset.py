from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from separable.zoo.dataset import PicturesError, read_pictures


def save(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (5, 3), colour).save(path)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    save(tmp_path / "b" / "1.png", (255, 0, 0))
    save(tmp_path / "a" / "2.PNG", (0, 255, 0))
    save(tmp_path / "a" / "1.png", (0, 0, 255))
    pictures = read_pictures(tmp_path, 4)
    assert pictures.classes == ("a", "b")
    assert pictures.labels.tolist() == [0, 0, 1]
    x, labels = pictures.batch(np.array([2, 0]))
    assert labels.tolist() == [1, 0]
    assert x.shape == (2, 3, 4, 4)
    assert x.dtype == np.float32
    assert x[:, :, 0, 0].tolist() == [[1, -1, -1], [-1, -1, 1]]


def test_what_is_no_set_of_pictures(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match="holds no folders"):
        read_pictures(tmp_path, 4)
    (tmp_path / "a").mkdir()
    with pytest.raises(PicturesError, match=r"a holds no pictures"):
        read_pictures(tmp_path, 4)
    (tmp_path / "a" / "x.png").write_bytes(b"no picture")
    with pytest.raises(PicturesError, match=r"x\.png is no picture"):
        read_pictures(tmp_path, 4)
