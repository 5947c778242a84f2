from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch

from separable.zoo.architecture import Activation, MobileNetV1
from separable.zoo.mobilenet_v1 import MobileNetV1Network
from separable.zoo.weights import WeightsError, draw_weights, load_weights

SPEC = MobileNetV1(alpha=0.25, resolution=64, classes=10)


def drawn(spec: MobileNetV1) -> MobileNetV1Network:
    network = MobileNetV1Network(spec)
    draw_weights(network, seed=0)
    return network


def patchwork(count: int) -> torch.Tensor:
    """Pictures [count, 3, 96, 96] of coloured patches: smooth within, as photos are, and unlike each other."""
    patches = np.random.default_rng(1).uniform(-1, 1, (count, 3, 6, 6)).astype(np.float32)
    return torch.from_numpy(patches.repeat(16, axis=2).repeat(16, axis=3))


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_activations_keep_their_scale_through_the_depth(alpha: float, activation: Activation) -> None:
    network = drawn(MobileNetV1(alpha=alpha, resolution=96, activation=activation))
    x = patchwork(count=2)
    with torch.no_grad():
        for name, block in network.blocks():
            x = block(x)
            assert 0.1 < float(x.std()) < 4, name
            assert 0.1 < float((x == 0).float().mean()) < 0.9, name


def test_answers_are_neither_flat_nor_all_the_same() -> None:
    network = drawn(MobileNetV1(alpha=0.5, resolution=96))
    with torch.no_grad():
        logits = network(patchwork(count=8))
    assert 0.5 < float(logits.std()) < 10
    assert len(set(logits.argmax(dim=1).tolist())) > 1


def test_batch_norm_statistics_are_not_trivial() -> None:
    for name, block in drawn(SPEC).blocks():
        assert block.bn.running_mean is not None
        assert block.bn.running_var is not None
        for statistic in (block.bn.running_mean, block.bn.running_var, block.bn.weight, block.bn.bias):
            assert float(statistic.detach().std()) > 0.01, name


def test_weights_are_the_same_at_every_resolution() -> None:
    other = drawn(MobileNetV1(alpha=0.25, resolution=224, classes=10)).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in drawn(SPEC).state_dict().items())


def test_a_saved_state_dict_is_read_back(tmp_path: Path) -> None:
    saved, loaded = drawn(SPEC), MobileNetV1Network(SPEC)
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    load_weights(loaded, tmp_path / "weights.pt")
    assert not loaded.training
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_every_entry_that_does_not_fit_is_named(tmp_path: Path) -> None:
    state = MobileNetV1Network(SPEC).state_dict()
    del state["classifier.bias"]
    state["head.weight"] = torch.zeros(1)
    state["body.conv_0.conv.weight"] = torch.zeros(32, 3, 3, 3)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(WeightsError) as caught:
        load_weights(MobileNetV1Network(SPEC), tmp_path / "weights.pt")
    message = str(caught.value)
    assert "missing: classifier.bias;" in message
    assert "unknown: head.weight;" in message
    assert "wrong shape: body.conv_0.conv.weight (32, 3, 3, 3) instead of (8, 3, 3, 3)" in message


def test_a_long_list_of_problems_is_cut(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"missing: .* and \d+ more$"):
        load_weights(MobileNetV1Network(SPEC), tmp_path / "weights.pt")


@pytest.mark.parametrize("data", [b"", b"no weights at all", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_state_dict_is_an_error(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(data)
    with pytest.raises(WeightsError, match="no state dict"):
        load_weights(MobileNetV1Network(SPEC), tmp_path / "weights.pt")


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save(MobileNetV1Network(SPEC), tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="no state dict"):
        load_weights(MobileNetV1Network(SPEC), tmp_path / "weights.pt")


def test_something_else_saved_by_torch_is_an_error(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="holds no state dict"):
        load_weights(MobileNetV1Network(SPEC), tmp_path / "weights.pt")
