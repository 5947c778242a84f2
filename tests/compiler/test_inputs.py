from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from separable.compiler.errors import InputError
from separable.compiler.inputs import random_inputs, read_inputs
from separable.runtime.loader import TensorSpec

A = TensorSpec("a", (2, 3), np.dtype("float32"))
B = TensorSpec("b=c", (4,), np.dtype("float32"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", np.full(A.shape, 1, np.float32))
    np.save(tmp_path / "b=c.npy", np.full(B.shape, 2, np.float32))
    return tmp_path


def test_the_name_of_a_single_input_may_be_left_out(folder: Path) -> None:
    for text in (f"{folder}/a.npy", f"a={folder}/a.npy"):
        assert read_inputs([A], [text])["a"].shape == A.shape


def test_inputs_by_name(folder: Path) -> None:
    arrays = read_inputs([A, B], [f"b=c={folder}/b=c.npy", f"a={folder}/a.npy"])
    assert list(arrays) == ["a", "b=c"]
    assert arrays["b=c"].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.npy", "b.npy"], "the model has 2 inputs; give NAME=FILE"),
        (["a=a.npy", "a=a.npy"], "input 'a' is given twice"),
        (["a=a.npy"], r"no --input for b=c float32\[4\]"),
    ],
)
def test_files_that_do_not_fit(files: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_inputs([A, B], files)


def test_random_inputs_depend_on_the_seed_only() -> None:
    first, again, other = (random_inputs([A, B], seed)["a"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("dtype", "top"), [("int64", 9), ("uint8", 9), ("bool", 1)])
def test_random_integers_and_flags(dtype: str, top: int) -> None:
    values = random_inputs([TensorSpec("x", (1000,), np.dtype(dtype))], 0)["x"]
    assert values.dtype == dtype
    assert (values.min(), values.max()) == (0, top)
