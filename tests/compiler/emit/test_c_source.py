"""The generated C: names from a model file are data, whatever they hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from separable.compiler.emit.c_source import header_source, isa_mask
from separable.compiler.importer import TensorSpec
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
from separable.runtime.loader import load
from separable.targets.row import Target
from separable.targets.table import all_targets
from tests.compiler.models import make_model, save

NASTY = [
    'quo"te',
    "back\\slash\\",
    "new\nline\r\ttab",
    "tri??/graph??)",
    "comment */ int x; /*",
    "// line \\",
    "%s%n {0} {name}",
    "größe 大小 😀",
    "\x01\x7f",
]


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with an input, an output and a node of every nasty name."""
    folder = tmp_path_factory.mktemp("nasty")
    model = make_model([], {f"in {name}": [1, size] for size, name in enumerate(NASTY, start=1)}, outputs="")
    for info, name in zip(model.graph.input, NASTY, strict=True):
        model.graph.node.append(helper.make_node("Relu", [info.name], [f"out {name}"], name=f"node {name}"))
        output = model.graph.output.add()
        output.CopyFrom(info)
        output.name = f"out {name}"
    return compile_model(CompileOptions(save(model, folder), output=folder / "out")).library


def test_names_survive(nasty: Path) -> None:
    with load(nasty) as model:
        assert [spec.name for spec in model.inputs] == [f"in {name}" for name in NASTY]
        assert [spec.name for spec in model.outputs] == [f"out {name}" for name in NASTY]
        inputs = {spec.name: -np.ones(spec.shape, np.float32) for spec in model.inputs}
        assert {time.name for time in model.profile(inputs)} == {f"node {name}" for name in NASTY}
    manifest = json.loads(nasty.with_suffix(".json").read_text())
    assert [spec["name"] for spec in manifest["inputs"]] == [f"in {name}" for name in NASTY]


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_compiles_without_a_warning(language: str, nasty: Path, tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_text(f'#include "{nasty.stem}.h"\nint main(void) {{ return model_INPUT_COUNT != {len(NASTY)}; }}\n')
    command = [sys.executable, "-m", "ziglang", "cc", "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([*command, f"-I{nasty.parent}", "-c", source, "-o", tmp_path / "program.o"], check=True)


def test_buffer_sizes() -> None:
    inputs = [TensorSpec("a", (1, 3, 4), "float32"), TensorSpec("b", (), "float32")]
    header = header_source("net", inputs, [TensorSpec("y", (5,), "float32")])
    assert "#define net_INPUT_COUNT 2\n#define net_INPUT_BYTES {48, 4}\n" in header
    assert "#define net_OUTPUT_COUNT 1\n#define net_OUTPUT_BYTES {20}\n" in header
    assert "/* inputs[0]: a, float32 [1, 3, 4] */" in header


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_every_extension_of_a_target_has_a_bit_of_its_own(target: Target) -> None:
    assert isa_mask(target).bit_count() == len(set(target.isa))
