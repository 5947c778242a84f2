from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

from separable.zoo.blocks import Normalize, Rearrange, SameConv2d, SameMaxPool2d

from .written import both


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("size", [(7, 8), (1, 5), (13, 12)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (7, 2), (3, 1), (1, 2), (2, 3)])
def test_padding_is_that_of_tensorflow(kernel: int, stride: int, size: tuple[int, int]) -> None:
    x = noise(1, 3, *size)
    for operator in (SameConv2d(3, 5, kernel, stride), SameMaxPool2d(kernel, stride)):
        result, expected = both(operator, x)
        assert result.shape[2:] == tuple(-(-length // stride) for length in size)
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_odd_pixel_is_at_the_end() -> None:
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    result, _ = both(SameMaxPool2d(3, 2), x)
    np.testing.assert_array_equal(result, [[[[2, 3]]]])


def test_a_padded_pixel_is_no_maximum() -> None:
    result, _ = both(SameMaxPool2d(3, 2), np.full((1, 1, 4, 4), -1, np.float32))
    assert (result == -1).all()


def test_vectors_get_length_one_and_zeros_stay() -> None:
    x = noise(2, 5, 3, 1)
    x[0, :, 1] = 0
    result, expected = both(Normalize(), x)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    lengths = np.linalg.norm(result, axis=1)
    assert lengths[0, 1] == 0
    np.testing.assert_allclose(np.delete(lengths.reshape(-1), 1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "split", "order", "target"),
    [
        ((1, 6, 2, 5), (1, 3, 2, 2, 5), (0, 3, 4, 1, 2), (1, 30, 2)),
        ((4, 6), (4, 3, 2), (1, 0, 2), (3, 4, 2)),
        ((1, 3, 5), (1, 3, 5), (1, 0, 2), (3, 1, 5)),
        ((1, 5), (1, 1, 5), (0, 1, 2), (1, 1, 5)),
    ],
)
def test_rearranging(
    shape: tuple[int, ...], split: tuple[int, ...], order: tuple[int, ...], target: tuple[int, ...]
) -> None:
    x = noise(*shape)
    result, _ = both(Rearrange(split, order, target), x)
    np.testing.assert_array_equal(result, x.reshape(split).transpose(order).reshape(target))
