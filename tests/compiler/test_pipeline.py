"""The pipeline as a whole: what it writes, what it tells, and that it does the same every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from separable.compiler.errors import CompileError, InvalidModel, UnknownTarget
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import (
    GRAPH_PASSES,
    Compiled,
    Phases,
    build_model,
    c_identifier,
    compile_model,
    program_passes,
)
from separable.targets.table import find_target

from .models import make_model, node, random, save
from .tiny import CLASSES, save_tiny, tiny_model

SUFFIXES = (".h", ".json", ".py", ".so")

_COMPILE = """
import sys
from pathlib import Path
from separable.compiler.options import CompileOptions
from separable.compiler.pipeline import compile_model
target, *paths = sys.argv[1:]
for model, output in zip(paths[::2], paths[1::2]):
    compile_model(CompileOptions(Path(model), target=target, output=Path(output)))
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestFiles:
    def test_the_folder_holds_four_files(self, tiny: Compiled) -> None:
        assert sorted(path.name for path in tiny.folder.iterdir()) == [f"tiny{suffix}" for suffix in SUFFIXES]
        assert tiny.library == tiny.folder / "tiny.so"
        assert json.loads((tiny.folder / "tiny.json").read_text()) == json.loads(json.dumps(tiny.manifest))

    def test_the_manifest(self, tiny: Compiled) -> None:
        manifest = tiny.manifest
        assert manifest["name"] == "tiny"
        assert manifest["inputs"] == [{"name": "x", "shape": [1, 3, 8, 8], "dtype": "float32"}]
        assert manifest["outputs"] == [{"name": "y", "shape": [1, CLASSES], "dtype": "float32"}]
        assert manifest["target"] == find_target("native").name
        assert manifest["arena_bytes"] <= manifest["unshared_arena_bytes"]
        nodes = [name for kernel in manifest["kernels"] for name in kernel["nodes"]]
        assert {"stem", "stem_relu", "dw", "pw", "pool", "fc"} <= set(nodes)

    @pytest.mark.parametrize(
        ("stem", "name"),
        [
            ("net", "net"),
            ("mobilenet_v1_1.0_224", "mobilenet_v1_1_0_224"),
            ("7 wonders", "model_7_wonders"),
            ("größe", "gr__e"),
            # These would define functions that the library itself needs.
            ("separable", "model_separable"),
            ("pthread", "model_pthread"),
        ],
    )
    def test_names(self, stem: str, name: str) -> None:
        assert c_identifier(stem) == name
        assert c_identifier(name) == name

    def test_default_folder_and_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = save_tiny(tmp_path, "separable.v1.onnx")
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        compiled = compile_model(CompileOptions(model, target="arm64:cortex-a53"))
        assert compiled.library == Path("separable.v1-arm64-cortex-a53") / "model_separable_v1.so"
        assert compiled.library.is_file()

    @pytest.mark.parametrize("name", ["my model", "1st", "separable", "a-b"])
    def test_a_name_that_c_cannot_use(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidModel, match="is no C identifier, or taken; for example"):
            compile_model(CompileOptions(save_tiny(tmp_path), output=tmp_path / "out", name=name))
        assert not (tmp_path / "out").exists()

    def test_a_model_without_options(self) -> None:
        with pytest.raises(CompileError, match=r"options is 'net\.onnx', expected CompileOptions\(model, \.\.\.\)"):
            compile_model("net.onnx")  # type: ignore[arg-type]

    def test_an_unknown_target(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownTarget, match="did you mean arm64"):
            compile_model(CompileOptions(save_tiny(tmp_path), target="arm65", output=tmp_path / "out"))


class TestTold:
    def test_every_intermediate_form_is_dumped_in_order(self, tmp_path: Path) -> None:
        options = CompileOptions(save_tiny(tmp_path), output=tmp_path / "out", dump_ir=tmp_path / "ir")
        for _ in range(2):  # into a folder that holds an older dump, too
            compile_model(options)
        dumped = sorted(path.name for path in (tmp_path / "ir").iterdir())
        stages = ["import.py", *(f"{graph_pass.__name__}.py" for graph_pass in GRAPH_PASSES), "lower_graph.txt"]
        stages += [f"{name}.txt" for name, _ in program_passes(find_target("native"))]
        assert dumped[: len(stages)] == [f"{index:02}_{stage}" for index, stage in enumerate(stages)]
        kernels, source = dumped[len(stages) : -1], dumped[-1]
        assert kernels
        assert all("_kernel_" in name for name in kernels)
        assert source == f"{len(dumped) - 1:02}_tiny.c"
        assert all((tmp_path / "ir" / name).stat().st_size for name in dumped)

    def test_notes(self, tmp_path: Path) -> None:
        weights = {"w": np.array([[1, np.nan], [2, 3]], np.float32)}
        path = save(make_model([node("MatMul", "x w")], {"x": ["batch", 2]}, weights=weights), tmp_path)
        compiled = compile_model(CompileOptions(path, output=tmp_path / "out"))
        assert compiled.notes == ("input 'x': batch dimension 'batch' set to 1", "weights 'w' contain NaN")

    def test_progress_and_times(self, tmp_path: Path) -> None:
        told: list[tuple[str, float]] = []
        options = CompileOptions(save_tiny(tmp_path), output=tmp_path / "out")
        compiled = compile_model(options, lambda phase, part: told.append((phase, part)))
        phases = list(dict.fromkeys(phase for phase, _ in told))
        assert phases == ["import", "fold", "lower", "schedule", "plan memory", "generate code", "link"]
        assert list(compiled.seconds) == phases
        for phase in phases:
            parts = [part for name, part in told if name == phase]
            assert parts == sorted(parts)
            assert (parts[0], parts[-1]) == (0, 1)

    def test_shapes_are_the_users(self, tmp_path: Path) -> None:
        path = save(make_model([node("Relu", "x")], {"x": ["n", "c", "h", "w"]}), tmp_path)
        built = build_model(CompileOptions(path, shapes={"x": (1, 3, 5, 7)}), Phases())
        assert built.imported.inputs[0].shape == (1, 3, 5, 7)


@pytest.mark.xdist_group("reproducible")
class TestReproducible:
    """The same model gives the same bytes: in one process and in another, wherever the files are."""

    @pytest.mark.parametrize("target", ["native", "arm64"])
    def test_in_two_processes_and_folders(self, target: str, tmp_path: Path) -> None:
        other = make_model(
            [node("Softmax", "x", "a", axis=1), node("Mul", "a c", "b"), node("Concat", "b a", axis=1)],
            {"x": [1, 5, 3, 3]},
            weights={"c": random(3)},
        )
        folders = [tmp_path / "a", tmp_path / "another place"]
        for seed, folder in enumerate(folders):
            folder.mkdir()
            (folder / "other.onnx").write_bytes(other.SerializeToString())
            arguments = [save_tiny(folder), folder / "tiny", folder / "other.onnx", folder / "other"]
            # Whoever comes second finds names, caches and hashes in another state.
            pairs = [arguments[:2], arguments[2:]][:: 1 - 2 * seed]
            environment = {**os.environ, "PYTHONHASHSEED": str(seed), "TMPDIR": str(folder)}
            command = [sys.executable, "-c", _COMPILE, target, *(str(path) for pair in pairs for path in pair)]
            subprocess.run(command, check=True, timeout=300, env=environment)
        for name in ("tiny", "other"):
            first, second = (content(folder / name) for folder in folders)
            assert sorted(first) == [f"{name}{suffix}" for suffix in SUFFIXES]
            assert first == second

    def test_again_in_this_process(self, tiny: Compiled, tmp_path: Path) -> None:
        again = compile_model(CompileOptions(save_tiny(tmp_path), output=tmp_path / "out"))
        assert content(again.folder) == content(tiny.folder)

    def test_weights_are_not_part_of_the_code(self, tiny: Compiled, tmp_path: Path) -> None:
        """Another training of the same network changes the weights only."""
        path = tmp_path / "tiny.onnx"
        path.write_bytes(tiny_model(pw_w=random(16, 8, 1, 1, seed=9)).SerializeToString())
        trained = compile_model(CompileOptions(path, output=tmp_path / "out"))
        same = {key for key, value in tiny.manifest.items() if trained.manifest[key] == value}
        assert set(tiny.manifest) - same == {"sha256"}
