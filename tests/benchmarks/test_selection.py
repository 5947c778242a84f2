from __future__ import annotations

from pathlib import Path

import pytest

from separable.benchmarks.peers import PEERS
from separable.benchmarks.selection import parse_models, parse_peers, parse_threads, variant_name
from separable.zoo.architecture import MobileNetV1


def test_models_are_networks_and_files(tmp_path: Path) -> None:
    path = tmp_path / "some.onnx"
    path.touch()
    assert parse_models(f"v1-0.5-160, {path},v1-0.5-160") == [MobileNetV1(0.5, 160), path]


def test_names_of_variants_and_back() -> None:
    variants = parse_models("all-variants")
    assert len(set(variants)) == 16
    for variant in variants:
        assert isinstance(variant, MobileNetV1)
        assert parse_models(variant_name(variant)) == [variant]
    assert variant_name(MobileNetV1()) == "v1-1.0-224"


@pytest.mark.parametrize(
    ("text", "message"),
    [("v2-1.0-224", "neither a file nor"), ("missing.onnx", "neither a file nor"), ("v1-2.0-224", "alpha 2.0")],
)
def test_unknown_models(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_models(text)


def test_threads() -> None:
    assert parse_threads("1,2,4", cpus=4) == [1, 2, 4]


@pytest.mark.parametrize("text", ["0", "3", "two", "-1", "1.5"])
def test_impossible_threads(text: str) -> None:
    with pytest.raises(ValueError, match="from 1 to the 2 CPUs"):
        parse_threads(text, cpus=2)


def test_ours_is_always_first() -> None:
    assert parse_peers("ncnn,onnxruntime") == ["ours", "ncnn", "onnxruntime"]
    assert parse_peers("mnn,ours") == ["ours", "mnn"]
    assert parse_peers("all") == list(PEERS)


def test_unknown_peers() -> None:
    with pytest.raises(ValueError, match="did you mean onnxruntime"):
        parse_peers("onnx_runtime")
    with pytest.raises(ValueError, match="known are ours, onnxruntime"):
        parse_peers("xyz")
