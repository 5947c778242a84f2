from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the zoo needs torch (extra 'zoo')")

import torch

from separable.zoo.architecture import MobileNetV1
from separable.zoo.drawing import draw_weights
from separable.zoo.mobilenet_v1 import MobileNetV1Network
from separable.zoo.weights import WeightsError, load_for_fine_tuning, load_weights

SPEC = MobileNetV1(alpha=0.25, resolution=64, classes=10)


def test_a_saved_state_dict_is_read_back(tmp_path: Path) -> None:
    saved, loaded = MobileNetV1Network(SPEC), MobileNetV1Network(SPEC)
    draw_weights(saved, seed=0)
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    load_weights(loaded, tmp_path / "weights.pt")
    assert not loaded.training
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_fine_tuning_takes_all_but_a_last_layer_of_other_classes(tmp_path: Path) -> None:
    saved, same = MobileNetV1Network(SPEC), MobileNetV1Network(SPEC)
    other = MobileNetV1Network(MobileNetV1(alpha=0.25, resolution=64, classes=3))
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    head = other.classifier.weight.clone()
    assert load_for_fine_tuning(same, tmp_path / "weights.pt")
    assert torch.equal(same.classifier.weight, saved.classifier.weight)
    assert not load_for_fine_tuning(other, tmp_path / "weights.pt")
    assert torch.equal(other.classifier.weight, head)
    assert all(
        torch.equal(value, other.state_dict()[f"body.{name}"]) for name, value in saved.body.state_dict().items()
    )
    with pytest.raises(WeightsError, match="wrong shape"):
        load_for_fine_tuning(MobileNetV1Network(MobileNetV1(0.5, 64, 10)), tmp_path / "weights.pt")


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


@pytest.mark.parametrize("data", [b"", b"no weights at all", b"hello world this is text\n", b"PK\x03\x04 truncated"])
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
