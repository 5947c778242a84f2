from __future__ import annotations

import json
from pathlib import Path

import pytest

from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import Built, Compiled, Phases, build_model
from separable.compiler.report import (
    Layer,
    folded_nodes,
    layers_of,
    shares_of,
    total_mult_adds,
    total_parameters,
)

from .models import make_model, node, random, save
from .tiny import save_tiny


def build(path: Path) -> Built:
    return build_model(CompileOptions(path, target="x86-64-v3"), Phases())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(save_tiny(tmp_path_factory.mktemp("report")))


def test_layers_are_named_and_counted_as_in_the_paper(built: Built) -> None:
    layers = layers_of(built.program, built.scheduled)
    costs = {layer.nodes[0]: (layer.type, layer.mult_adds, layer.parameters) for layer in layers}
    assert costs["stem"] == ("Conv 3x3", 8 * 27 * 16, 8 * 27 + 8)
    assert costs["dw"] == ("Conv DW 3x3", 8 * 9 * 16, 8 * 9 + 8)
    assert costs["pw"] == ("Conv 1x1", 8 * 16 * 16, 8 * 16 + 16)
    assert costs["pool"][1:] == (0, 0)
    assert costs["fc"] == ("Fully connected", 16 * 5, 16 * 5 + 5)


def test_a_layer_knows_all_its_nodes_and_its_kernel(built: Built) -> None:
    stem = layers_of(built.program, built.scheduled)[0]
    assert stem.nodes == ("stem", "stem_relu")
    assert stem.kernel == built.scheduled.calls[0].name
    assert stem.schedule == "default"
    assert stem.layout.startswith("8x4x4 nchw8c")
    assert "=" in stem.tile


def test_shares_add_up(built: Built) -> None:
    layers = layers_of(built.program, built.scheduled)
    shares = shares_of(layers)
    assert sum(share.count for share in shares) == len(layers)
    assert sum(share.mult_adds for share in shares) == total_mult_adds(layers)
    assert sum(share.parameters for share in shares) == total_parameters(layers)
    assert shares[0].type == "Conv 3x3"


def test_nodes_without_a_kernel(built: Built) -> None:
    layers = layers_of(built.program, built.scheduled)
    assert folded_nodes(["stem", "flatten", "dw", "flatten"], layers) == ("flatten",)


def test_groups_are_named(tmp_path: Path) -> None:
    convolution = node("Conv", "x w", kernel_shape=[1, 3], pads=[0, 1, 0, 1], group=2)
    model = make_model([convolution], {"x": [1, 16, 4, 4]}, weights={"w": random(32, 8, 1, 3)})
    built = build(save(model, tmp_path))
    types = [layer.type for layer in layers_of(built.program, built.scheduled)]
    assert "Conv 1x3, 2 groups" in types


def test_the_manifest_holds_every_layer(tiny: Compiled) -> None:
    manifest = json.loads(tiny.library.with_suffix(".json").read_text())
    layers = [Layer.from_manifest(entry) for entry in manifest["kernels"]]
    assert layers[0].nodes == ("stem", "stem_relu")
    assert total_mult_adds(layers) == manifest["mult_adds"]
